import CLinux
import MachineABI
import Testing

@testable import Machine

/// The boot information as the guest finds it.
@Suite struct BootFactsTests {
  private func write(_ arguments: [String]) throws -> (info: BootInfo, arguments: [String], layout: MachineLayout) {
    let size = BootFacts.size(arguments: arguments)
    let layout = try MachineLayout(
      .init(bootInfoSize: UInt64(size), memory: 4 << 20, placement: .init(image: 5, memory: 6)))
    let memory = try GuestMemory(layout)
    let entropy = try BootEntropy()
    BootFacts(arguments: arguments, timeStampCounterKHz: 2_345_678, wallClock: 0x1234_5678_9abc_def0, entropy: entropy)
      .write(to: memory, layout)
    let info = memory.host(layout.bootInfo, count: MemoryLayout<BootInfo>.size)!.load(as: BootInfo.self)

    // FS:0 points to itself; FS:0x28 is the canary.
    let selfPointer = memory.load(layout.threadControlBlock), canary = memory.load(layout.threadControlBlock + 0x28)
    #expect(selfPointer == layout.threadControlBlock)
    #expect(canary == entropy.canary)
    #expect(info.stack_canary == entropy.canary)
    #expect(info.seed.0 == entropy.seed.0)
    #expect(info.seed.7 == entropy.seed.7)

    // The arguments as a guest reads them: strings one behind the other, inside the boot information's pages.
    #expect(info.arguments >= layout.bootInfo + UInt64(info.size))
    #expect(info.arguments + info.arguments_size <= layout.systemPage)
    var found: [String] = []
    if let text = memory.host(info.arguments, count: Int(info.arguments_size)) {
      let bytes = UnsafeRawBufferPointer(start: text, count: Int(info.arguments_size))
      var start = 0
      for index in bytes.indices where bytes[index] == 0 {
        found.append(String(decoding: bytes[start..<index], as: UTF8.self))
        start = index + 1
      }
      #expect(start == bytes.count)
    }
    return (info, found, layout)
  }

  @Test func everyField() throws {
    let (info, _, layout) = try write(["image.elf"])
    #expect(info.magic == 0x4c54_444e)
    #expect(info.version == 2)
    #expect(Int(info.size) == MemoryLayout<BootInfo>.size)
    #expect(info.device_count == 0)
    #expect(info.devices == 0)
    #expect(info.image_base == layout.imageBase)
    #expect(info.image_size == layout.imageSize)
    #expect(info.heap_base == layout.heap)
    #expect(info.heap_size == layout.heapSize)
    #expect(info.stack_base == layout.stackBase)
    #expect(info.stack_base + info.stack_size == layout.stackTop)
    #expect(info.memory_size == layout.machineMemory)
    #expect(info.control_page == layout.controlPage)
    #expect(info.shared_page == layout.sharedPage)
    #expect(info.tsc_khz == 2_345_678)
    #expect(info.wall_clock == 0x1234_5678_9abc_def0)
    // Where KVM is to keep the clock: aligned, behind the structure, before the arguments, on the read-only pages.
    #expect(info.clock % 4 == 0)
    #expect(info.clock >= layout.bootInfo + UInt64(info.size))
    #expect(info.clock + UInt64(MemoryLayout<ClockPage>.size) <= info.arguments)
  }

  @Test(arguments: [0, 1, 2, 64]) func devicesStandBeforeTheArguments(_ count: Int) throws {
    let devices = (0..<count).map { index in
      var entry = DeviceEntry()
      entry.kind = UInt32(index)
      entry.registers = UInt64(index) << 12
      return entry
    }
    let size = BootFacts.size(arguments: ["a"], deviceCount: count)
    let layout = try MachineLayout(
      .init(deviceCount: count, bootInfoSize: UInt64(size), memory: 4 << 20, placement: .init(image: 5, memory: 6)))
    let memory = try GuestMemory(layout)
    BootFacts(arguments: ["a"], devices: devices, timeStampCounterKHz: 1, wallClock: 0, entropy: try BootEntropy())
      .write(to: memory, layout)
    let info = memory.host(layout.bootInfo, count: MemoryLayout<BootInfo>.size)!.load(as: BootInfo.self)
    #expect(info.device_count == UInt32(count))
    #expect((info.devices == 0) == (count == 0))
    let stride = MemoryLayout<DeviceEntry>.stride
    for index in 0..<count {
      let entry = memory.host(info.devices + UInt64(index * stride), count: stride)!.load(as: DeviceEntry.self)
      #expect(entry.kind == UInt32(index))
      #expect(entry.registers == UInt64(index) << 12)
    }
    #expect(info.arguments >= info.devices + UInt64(count * stride))
    #expect(memory.host(info.arguments, count: 1)!.load(as: UInt8.self) == UInt8(ascii: "a"))
  }

  @Test(arguments: [
    [], ["image"], ["image", ""], ["", "", ""], ["image", "--flag", "a b", "é", "日本語", "🧵"],
    ["image", String(repeating: "x", count: 10_000)], (0..<1000).map { "argument \($0)" },
  ])
  func argumentsComeBack(_ arguments: [String]) throws {
    let (info, found, _) = try write(arguments)
    #expect(found == arguments)
    #expect(info.argument_count == UInt64(arguments.count))
    #expect(info.arguments_size == UInt64(arguments.reduce(0) { $0 + $1.utf8.count + 1 }))
  }

  /// Whatever the length: the last argument's terminator is the last byte of a page, or the first of the next one.
  @Test func everyLengthAroundAPage() throws {
    let room = 4096 - BootFacts.size(arguments: [""])
    for length in room - 2...room + 2 {
      let argument = String(repeating: "a", count: length)
      let (_, found, layout) = try write([argument])
      #expect(found == [argument])
      #expect(layout.bootInfoSize == (length <= room ? 4096 : 8192))
    }
  }
}

@Suite struct BootEntropyTests {
  @Test func differsEachTime() throws {
    let first = try BootEntropy(), second = try BootEntropy()
    #expect(first.canary != second.canary)
    #expect(first.seed.0 != second.seed.0)
    #expect(first.seed.7 != second.seed.7)
    #expect(first.placement.image != second.placement.image)
    #expect(first.placement.memory != second.placement.memory)
    let words = [
      first.seed.0, first.seed.1, first.seed.2, first.seed.3, first.seed.4, first.seed.5, first.seed.6, first.seed.7,
      first.canary, first.placement.image, first.placement.memory,
    ]
    #expect(Set(words).count == words.count)
  }

  @Test func canariesEndStrings() throws {
    for _ in 0..<100 {
      let canary = try BootEntropy().canary
      #expect(canary & 0xff == 0)
      #expect(canary != 0)
    }
  }
}

/// A guest reads the clock by the arithmetic of KVM's MSR documentation, MSR_KVM_SYSTEM_TIME_NEW.
@Suite struct FallbackClockTests {
  private func clock(khz: Int, timeStamp: UInt64 = 0) -> ClockPage {
    var clock = ClockPage()
    FallbackClock.write(to: &clock, khz: khz, timeStamp: timeStamp)
    return clock
  }

  private func nanoseconds(_ clock: ClockPage, at timeStamp: UInt64) -> UInt64 {
    var delta = timeStamp &- clock.tsc_timestamp
    if clock.tsc_shift < 0 { delta >>= UInt64(-clock.tsc_shift) } else { delta <<= UInt64(clock.tsc_shift) }
    let product = delta.multipliedFullWidth(by: UInt64(clock.tsc_to_system_mul))
    return clock.system_time &+ (product.high << 32 | product.low >> 32)
  }

  @Test(arguments: [
    1, 999, 32_768, 499_999, 500_000, 999_999, 1_000_000, 1_000_001, 1_193_182, 1_999_999, 2_000_000, 2_000_001,
    2_399_998, 2_599_999, 2_995_199, 3_000_001, 3_999_999, 4_000_000, 4_000_001, 4_000_003, 5_700_000, 8_000_007,
    15_999_999, 64_000_063,
  ])
  func runsAtTheCountersRate(khz: Int) {
    let clock = clock(khz: khz)
    #expect(clock.version % 2 == 0)
    // A microsecond is too short to tell; a year of seconds is what the guest's 64 bits must hold.
    for seconds in [1, 60, 3600, 86_400, 365 * 86_400] as [UInt64] {
      let ticks = UInt64(khz) * 1000 * seconds
      let exact = 1_000_000_000 * seconds
      let error = Double(nanoseconds(clock, at: ticks)) - Double(exact)
      #expect(abs(error) / Double(exact) < 1e-6, "\(khz) kHz, \(seconds) s")
    }
  }

  @Test func everyFrequencyOfRealProcessors() {
    for khz in stride(from: 800_000, through: 6_500_000, by: 337) {
      let clock = clock(khz: khz)
      let error = Double(nanoseconds(clock, at: UInt64(khz) * 10_000_000)) - 10_000_000_000_000
      #expect(abs(error) < 10_000_000, "\(khz) kHz")
    }
  }

  @Test(arguments: [0, 1, 1 << 40, .max - 5] as [UInt64]) func startsWithTheMachine(timeStamp: UInt64) {
    let clock = clock(khz: 2_400_000, timeStamp: timeStamp)
    #expect(nanoseconds(clock, at: timeStamp) == 0)
    let later = nanoseconds(clock, at: timeStamp &+ 2_400_000_000)
    #expect(later >= 999_999_000 && later <= 1_000_001_000)
  }
}
