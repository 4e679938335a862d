import KVM
import MachineABI

/// Where everything is in a Linux machine: a PC's addresses, as far as there is anything.
///
///     0x0000_0000   memory, but for 640 KiB to 1 MiB, which the memory map reserves
///     0x0000_1000     start information, with the memory map and the list of modules
///     0x0000_2000     command line
///     0x000e_0000     ACPI's tables
///     0x0010_0000     from here on the kernel, where its program headers say
///                     the initial RAM disk, in the last pages
///     0xc000_0000   the most memory ends here
///     0xd000_0000   registers of virtio devices, 4 KiB each
///     0xfec0_0000   IOAPIC, and 0xfee0_0000 local APIC: KVM's
///     0xfffb_d000   three pages that KVM needs on Intel's processors
struct LinuxMemoryMap: Equatable {
  static let startInfo: UInt64 = 0x1000
  static let commandLine: UInt64 = 0x2000
  /// Video memory and firmware, in a PC. Memory as well, but only ACPI's tables are in it.
  static let hole: Range<UInt64> = 0xa_0000..<0x10_0000
  static let kernelStart: UInt64 = hole.upperBound
  /// The end of what 32 bits can address.
  static let addressEnd: UInt64 = 1 << 32
  /// The most memory: what is above belongs to devices, and memory above 4 GiB would be a second range.
  static let memoryLimit: UInt64 = 0xc000_0000
  static let deviceRegisters: UInt64 = 0xd000_0000
  static let taskState: UInt32 = 0xfffb_d000

  /// From 0 on.
  let memorySize: UInt64
  /// Empty without an initial RAM disk.
  let initrd: Range<UInt64>

  /// - Parameter initrdSize: in bytes; nil without one.
  init(
    memorySize: UInt64, kernel: LinuxKernelContents, initrdSize: UInt64?
  ) throws(LinuxError) {
    guard memorySize <= Self.memoryLimit, memorySize.isPageAligned else { throw .memorySize(memorySize) }
    guard kernel.end <= memorySize else { throw .kernelTooLarge(end: kernel.end, memorySize: memorySize) }
    self.memorySize = memorySize
    guard let initrdSize else {
      initrd = 0..<0
      return
    }
    let room = memorySize - kernel.end.roundedUpToPage
    guard initrdSize <= room else { throw .initrdTooLarge(initrdSize, room: room) }
    let start = memorySize - initrdSize.roundedUpToPage
    initrd = start..<start + initrdSize
  }

  /// What a kernel is told of it.
  var ranges: [StartInfo.MemoryRange] {
    [
      .init(0..<Self.hole.lowerBound, .memory),
      .init(Self.hole, .reserved),
      .init(Self.hole.upperBound..<memorySize, .memory),
    ]
  }

  /// The register pages of some devices, each of which has an interrupt line.
  static func deviceSlot(count: Int) -> Range<UInt64> {
    deviceRegisters..<registers(ofDevice: count)
  }

  /// Where the registers of the device at an index are.
  static func registers(ofDevice index: Int) -> UInt64 { deviceRegisters + UInt64(index * pageSize) }

  /// The interrupt lines of the devices, in their order, good for the IOAPIC and for kernels that have to do without ACPI
  /// and with the PICs: those of a PC's two PICs that are not the timer's (0), the
  /// cascade's (2), the serial port's (4) or the clock's (8), nor the ones that spurious interrupts come as (7, 15), nor
  /// the coprocessor's (13). There is no other hardware to have the rest.
  static let deviceLines: [UInt32] = [5, 9, 10, 11, 12, 14, 3, 6, 1]
}
