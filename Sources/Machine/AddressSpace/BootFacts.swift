import MachineABI

/// What the guest finds in its boot information, apart from addresses.
struct BootFacts {
  /// The arguments, the image's name first.
  var arguments: [String]
  var devices: [DeviceEntry] = []
  var timeStampCounterKHz: Int
  /// Nanoseconds since 1970-01-01 00:00 UTC when the guest's clock read 0.
  var wallClock: UInt64
  var entropy: BootEntropy

  /// The boot information's size with these arguments and so many devices, in bytes.
  static func size(arguments: [String], deviceCount: Int = 0) -> Int {
    argumentsOffset(deviceCount: deviceCount) + arguments.reduce(0) { $0 + $1.utf8.count + 1 }
  }

  // KVM wants the clock aligned to four bytes; a cache line of its own behind the structure.
  static let clockOffset = (MemoryLayout<BootInfo>.size + 63) & ~63
  private static let devicesOffset = clockOffset + 64
  private static func argumentsOffset(deviceCount: Int) -> Int {
    devicesOffset + deviceCount * MemoryLayout<DeviceEntry>.stride
  }

  /// Writes the boot information and the thread control block.
  func write(to memory: borrowing GuestMemory, _ layout: MachineLayout) {
    let page = memory.host(layout.bootInfo, count: Int(layout.bootInfoSize))!
    for (index, device) in devices.enumerated() {
      page.storeBytes(
        of: device, toByteOffset: Self.devicesOffset + index * MemoryLayout<DeviceEntry>.stride, as: DeviceEntry.self)
    }
    let argumentsOffset = Self.argumentsOffset(deviceCount: devices.count)
    var cursor = page + argumentsOffset
    for argument in arguments {
      var argument = argument
      argument.withUTF8 { bytes in
        if let start = bytes.baseAddress { cursor.copyMemory(from: start, byteCount: bytes.count) }
        cursor += bytes.count + 1  // the page is zeroed: the terminator is there
      }
    }

    var info = BootInfo()
    info.magic = UInt32(NEEDLETAIL_BOOT_INFO_MAGIC)
    info.version = UInt32(NEEDLETAIL_CONTRACT_VERSION)
    info.size = UInt32(MemoryLayout<BootInfo>.size)
    info.device_count = UInt32(devices.count)
    info.devices = devices.isEmpty ? 0 : layout.bootInfo + UInt64(Self.devicesOffset)
    info.image_base = layout.imageBase
    info.image_size = layout.imageSize
    info.heap_base = layout.heap
    info.heap_size = layout.heapSize
    info.stack_base = layout.stackBase
    info.stack_size = layout.stackTop - layout.stackBase
    info.memory_size = layout.machineMemory
    info.control_page = layout.controlPage
    info.shared_page = layout.sharedPage
    info.clock = layout.bootInfo + UInt64(Self.clockOffset)
    info.tsc_khz = UInt64(timeStampCounterKHz)
    info.wall_clock = wallClock
    info.stack_canary = entropy.canary
    info.seed = entropy.seed
    info.arguments = layout.bootInfo + UInt64(argumentsOffset)
    info.arguments_size = UInt64(cursor - (page + argumentsOffset))
    info.argument_count = UInt64(arguments.count)
    page.storeBytes(of: info, as: BootInfo.self)

    // x86-64 psABI, 3.4.2 and TLS variant II: FS:0 points to itself; FS:0x28 is the stack protector's canary.
    let block = memory.host(layout.threadControlBlock, count: 0x30)!
    block.storeBytes(of: layout.threadControlBlock, as: UInt64.self)
    block.storeBytes(of: entropy.canary, toByteOffset: 0x28, as: UInt64.self)
  }
}
