import KVM
import MachineABI

/// Why a Linux machine cannot be made.
public enum LinuxError: Error {
  /// The machine was to have this many bytes of memory.
  case memorySize(UInt64)
  /// The kernel ends at this address, and memory at that one.
  case kernelTooLarge(end: UInt64, memorySize: UInt64)
  /// The initial RAM disk has so many bytes, and this many are left beside the kernel.
  case initrdTooLarge(UInt64, room: UInt64)
  /// The initial RAM disk is no regular file that is not empty.
  case initrd(path: String, reason: String)
  /// The kernel's file became shorter while it was read.
  case kernelTruncated(path: String)
  /// The command line has so many bytes, of which this many are of the devices.
  case commandLineTooLong(Int, ofDevices: Int)
  /// Such a name cannot be a device's.
  case deviceName(DeclaredDevice, reason: String)
  /// There are so many disks and networks.
  case deviceCount(Int)

  /// One line.
  public var description: String {
    switch self {
    case .memorySize(let size):
      "memory size is \(size >> 10)K; expected a multiple of 4K up to \(LinuxMemoryMap.memoryLimit >> 20)M for a Linux kernel"
    case .kernelTooLarge(let end, let memorySize):
      "memory size is \(memorySize >> 10)K; expected at least \((end + 1023) >> 10)K, where the kernel ends"
    case .initrdTooLarge(let size, let room):
      "initrd size is \(size) bytes; expected at most \(room), which the kernel leaves of the memory"
    case .initrd(let path, let reason): "initrd \(path): \(reason)"
    case .kernelTruncated(let path): "\(path): became shorter while it was read"
    case .commandLineTooLong(let size, let ofDevices):
      "the kernel's command line has \(size) bytes, \(ofDevices) of which tell it of devices;"
        + " expected at most \(LinuxCommandLine.limit)"
    case .deviceName(let device, let reason):
      "\(AttachmentError.words(for: device.kind)) '\(device.name)': expected \(reason)"
    case .deviceCount(let count):
      "there are \(count) block devices and networks; expected at most \(LinuxMachine.attachmentLimit) for a Linux kernel"
    }
  }
}
