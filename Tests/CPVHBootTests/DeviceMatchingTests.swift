import CPVHBoot
import MachineABI
import Testing

/// Registers of windows, by address: what is not there reads as ones.
private nonisolated(unsafe) var registers: [UInt64: UInt32] = [:]

/// Which device is which. Serialised, because the function that reads a register has no context.
@Suite(.serialized) struct DeviceMatchingTests {
  private static let block = UInt32(VIRTIO_ID_BLOCK), console = UInt32(VIRTIO_ID_CONSOLE)
  private static let entropy = UInt32(VIRTIO_ID_ENTROPY), network = UInt32(VIRTIO_ID_NETWORK)
  private static let serialInput: UInt64 = 0x1ff000

  private struct Outcome {
    var devices: [needletail_device]?
    var lines: [UInt8]
    var problem: String
  }

  /// - Parameter windows: address, kind and version of each that is there.
  private func match(
    _ text: String, declared: [(String, UInt32)], windows: [(UInt64, UInt32, UInt32)] = [],
    serialInput: UInt64 = serialInput, lineLimit: UInt32 = 24
  ) -> Outcome {
    registers = [:]
    for (address, kind, version) in windows {
      registers[address] = UInt32(VIRTIO_MMIO_MAGIC)
      registers[address + 4] = version
      registers[address + 8] = kind
    }
    let line = Line(text)
    var devices = declared.map { name, kind in
      var device = needletail_device()
      device.kind = kind
      withUnsafeMutableBytes(of: &device.name) { $0.copyBytes(from: name.utf8) }
      return device
    }
    var lines = pvh_lines()
    let (isGood, problem) = withProblem { problem in
      devices.withUnsafeMutableBufferPointer {
        pvh_match_devices(
          line.word, $0.baseAddress, UInt32($0.count), { registers[$0] ?? .max }, serialInput, lineLimit, &lines,
          problem)
      }
    }
    let used = withUnsafeBytes(of: lines.line) { Array($0.prefix(Int(lines.count))) }
    return Outcome(devices: isGood ? devices : nil, lines: used, problem: problem)
  }

  @Test func aDeviceIsTheOneOfItsKind() throws {
    let outcome = match(
      "x virtio_mmio.device=512@0xfeb00c00:11 -- virtio_mmio.device=4K@0xd0000000:5:0 "
        + "virtio_mmio.device=512@0xfeb00e00:12",
      declared: [("data", Self.block), ("net", Self.network), ("entropy", Self.entropy)],
      windows: [(0xfeb0_0c00, Self.entropy, 2), (0xd000_0000, Self.block, 2), (0xfeb0_0e00, Self.network, 2)])
    let devices = try #require(outcome.devices)
    #expect(devices.map(\.registers) == [0xd000_0000, 0xfeb0_0e00, 0xfeb0_0c00])
    #expect(devices.map(\.vector) == [34, 35, 33])
    #expect(outcome.lines == [11, 5, 12])
    #expect(devices.allSatisfy { $0.flags == 0 })
  }

  @Test func severalOfAKindAreInTheOrderOfTheWords() throws {
    let outcome = match(
      "virtio_mmio.device=1K@0x10000:5 virtio_mmio.device=1K@0x20000:5",
      declared: [("a", Self.block), ("b", Self.block)],
      windows: [(0x10000, Self.block, 2), (0x20000, Self.block, 2)])
    #expect(try #require(outcome.devices).map(\.registers) == [0x10000, 0x20000])
    // They share the line, and so the vector.
    #expect(outcome.devices?.map(\.vector) == [33, 33])
    #expect(outcome.lines == [5])
  }

  @Test func namesGoBeforeTheOrder() throws {
    let words = "virtio_mmio.device=1K@0x10000:5 virtio_mmio.device=1K@0x20000:6 virtio_mmio.device=1K@0x30000:7"
    let windows: [(UInt64, UInt32, UInt32)] = [
      (0x10000, Self.block, 2), (0x20000, Self.block, 2), (0x30000, Self.block, 2),
    ]
    let declared = [("a", Self.block), ("b", Self.block), ("c", Self.block)]
    let named = match(words + " needletail.name=a@0x20000", declared: declared, windows: windows)
    #expect(try #require(named.devices).map(\.registers) == [0x20000, 0x10000, 0x30000])
    let last = match("needletail.name=a@0x30000 " + words, declared: declared, windows: windows)
    #expect(try #require(last.devices).map(\.registers) == [0x30000, 0x10000, 0x20000])
  }

  @Test(arguments: [
    "needletail.name=", "needletail.name=a", "needletail.name=@1", "needletail.name=b@0x10000", "needletail.name=a@",
  ])
  func badNames(_ word: String) {
    let outcome = match(
      "virtio_mmio.device=1K@0x10000:5 \(word)", declared: [("a", Self.block)], windows: [(0x10000, Self.block, 2)])
    #expect(outcome.devices == nil)
    #expect(outcome.problem.hasPrefix("'\(word)': expected NAME@ADDRESS"))
  }

  @Test func aNameThatNoDeviceHasTakesNone() {
    let outcome = match(
      "virtio_mmio.device=1K@0x10000:5 needletail.name=a@0x40000", declared: [("a", Self.block)],
      windows: [(0x10000, Self.block, 2)])
    #expect(
      outcome.problem
        == "'virtio_mmio.device=1K@0x10000:5': the image does not declare the block device that is attached")
  }

  @Test func legacyIsRefusedWithTheRemedy() {
    let outcome = match(
      "virtio_mmio.device=512@0xfeb00e00:12", declared: [("data", Self.block)], windows: [(0xfeb0_0e00, Self.block, 1)])
    #expect(outcome.devices == nil)
    #expect(outcome.problem.contains("-global virtio-mmio.force-legacy=false"))
  }

  @Test func missingAndUndeclaredDevices() {
    let word = "virtio_mmio.device=512@0xfeb00e00:12"
    #expect(
      match("", declared: [("data", Self.block)]).problem.hasPrefix(
        "the image declares the block device 'data', which is not attached; expected "))
    #expect(
      match(word, declared: [], windows: [(0xfeb0_0e00, Self.entropy, 2)]).problem
        == "'\(word)': the image does not declare the entropy device that is attached")
    #expect(
      match(word, declared: [], windows: [(0xfeb0_0e00, Self.network, 2)]).problem
        == "'\(word)': the image does not declare the network interface that is attached")
    #expect(match(word, declared: []).problem == "'\(word)': there is no virtio-mmio device")
    // One is declared, two are there.
    #expect(
      match(
        "\(word) virtio_mmio.device=512@0xfeb00c00:11", declared: [("data", Self.block)],
        windows: [(0xfeb0_0e00, Self.block, 2), (0xfeb0_0c00, Self.block, 2)]
      ).problem.contains("does not declare the block device"))
    // The same one twice.
    #expect(
      match(
        "\(word) \(word)", declared: [("a", Self.block), ("b", Self.block)], windows: [(0xfeb0_0e00, Self.block, 2)]
      )
      .devices == nil)
  }

  @Test func anEmptyPlaceIsNothing() {
    let outcome = match("virtio_mmio.device=512@0xfeb00e00:12", declared: [], windows: [(0xfeb0_0e00, 0, 1)])
    #expect(outcome.devices?.isEmpty == true)
  }

  @Test func aConsoleMayBeTheSerialPort() throws {
    let device = try #require(match("", declared: [("console", Self.console)]).devices?.first)
    #expect(device.registers == Self.serialInput && device.flags == UInt32(NEEDLETAIL_DEVICE_IS_SERIAL))
    #expect(match("", declared: [("console", Self.console)], serialInput: 0).problem.contains("console 'console'"))
    let virtio = match(
      "virtio_mmio.device=512@0x10000:12", declared: [("console", Self.console)], windows: [(0x10000, Self.console, 2)])
    #expect(try #require(virtio.devices).map(\.flags) == [0])
  }

  @Test func lines() {
    let windows = (0..<15).map { (0x10000 + UInt64($0) * 0x1000, Self.block, UInt32(2)) }
    let declared = (0..<15).map { ("d\($0)", Self.block) }
    func words(_ count: Int) -> String {
      (0..<count).map { "virtio_mmio.device=4K@\(0x10000 + $0 * 0x1000):\($0)" }.joined(separator: " ")
    }
    #expect(
      match(words(14), declared: Array(declared.prefix(14)), windows: windows).devices?.map(\.vector)
        == (33..<47).map { UInt32($0) })
    #expect(
      match(words(15), declared: declared, windows: windows).problem.contains("expected an interrupt line below 24"))
    #expect(
      match("virtio_mmio.device=4K@0x10000:24", declared: [("d", Self.block)], windows: windows).problem.contains(
        "expected an interrupt line below 24"))
  }

  @Test(arguments: [
    "virtio_mmio.device=", "virtio_mmio.device=512", "virtio_mmio.device=512@0x10000",
    "virtio_mmio.device=511@0x10000:5",
    "virtio_mmio.device=2M@0x10000:5", "virtio_mmio.device=512@0x10002:5", "virtio_mmio.device=512@0xfffff000000:5",
    "virtio_mmio.device=512@0xfffffe00:5", "virtio_mmio.device=512@0x0:5", "virtio_mmio.device=512@0x10000:256",
    "virtio_mmio.device=512@0x10000:", "virtio_mmio.device=:5@0x10000", "virtio_mmio.device=512:0x10000@5",
    "virtio_mmio.device=512@0x10000:-1",
  ])
  func badDeviceWords(_ word: String) {
    let outcome = match(word, declared: [])
    #expect(outcome.devices == nil)
    #expect(outcome.problem.hasPrefix("'\(word)': expected virtio_mmio.device=SIZE@ADDRESS:IRQ"))
  }
}
