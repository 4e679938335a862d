import KVM

/// Why a machine could not be made or run.
public enum MachineError: Error {
  /// The image's file is missing or is not acceptable.
  case image(ImageError)
  /// The machine was to have this many bytes of memory, which is not a number of pages between the least and the most.
  case memorySize(UInt64)
  /// The image needs more memory than it was to have; both in bytes.
  case memoryTooSmall(asked: UInt64, needed: UInt64)
  /// An image at a fixed address leaves this many bytes for the memory above it, and was to have more.
  case fixedPlacement(memory: UInt64, limit: UInt64)
  /// The arguments take this many bytes, which is too many.
  case argumentsTooLong(Int)
  /// The devices are not those that the image declares, or one's file cannot serve.
  case device(AttachmentError)
  /// A Linux kernel cannot have the machine that was asked for.
  case linux(LinuxError)
  /// A system call failed.
  case system(SystemCallError)

  /// One line.
  public var description: String {
    switch self {
    case .image(let error): error.description
    case .memorySize(let size):
      "memory size is \(size) bytes; expected a multiple of 4K from \(MachineLayout.smallestMemory >> 20)M"
        + " to \(MachineLayout.largestMemory >> 30)G"
    case .memoryTooSmall(let asked, let needed):
      "memory size is \(asked >> 10)K; expected at least \(needed / 1024 + (needed % 1024 == 0 ? 0 : 1))K for this image"
    case .fixedPlacement(let memory, let limit):
      "memory size is \(memory >> 10)K; expected at most \(limit >> 10)K for an image that is not placed at random"
    case .argumentsTooLong(let size):
      "the arguments take \(size) bytes; expected at most \(Machine.argumentLimit)"
    case .device(let error): error.description
    case .linux(let error): error.description
    case .system(let error): error.description
    }
  }
}
