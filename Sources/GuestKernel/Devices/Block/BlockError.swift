import MachineABI

/// Why a request to a block device failed: what it was, where, how much, and what the device said.
public struct BlockError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was asked for (virtio-1.2 §5.2.6, the request types).
  public enum Operation: Equatable, Sendable {
    case read, write, flush, discard, writeZeroes, identify
  }

  /// What went wrong.
  public enum Reason: Equatable, Sendable {
    /// Offset or length is no multiple of 512.
    case misaligned
    /// The range reaches past the end of the device.
    case outOfRange
    /// The device was attached for reading only.
    case readOnly
    /// The device cannot do this at all.
    case unsupported
    /// The device tried and failed; its status byte (virtio-1.2 §5.2.6: 1 is an I/O error), or 255 if it left none.
    case deviceFailed(status: UInt8)
    /// The operating system's error code (errno), in the hosted build.
    case systemError(Int32)
  }

  /// What was asked for.
  public let operation: Operation
  /// The device's name.
  public let device: String
  /// Where the part that failed begins, in bytes. What precedes it within the request may have succeeded or not.
  public let offset: UInt64
  /// The length of the part that failed, in bytes.
  public let byteCount: UInt64
  /// What went wrong.
  public let reason: Reason

  /// One line: what, where, and why not.
  public var description: String {
    "\(words) of \(byteCount) bytes at \(offset) of block device '\(device)': \(explanation)"
  }

  private var words: String {
    switch operation {
    case .read: "read"
    case .write: "write"
    case .flush: "flush"
    case .discard: "discard"
    case .writeZeroes: "zeroing"
    case .identify: "identification"
    }
  }

  private var explanation: String {
    switch reason {
    case .misaligned: "offset and length must be multiples of 512"
    case .outOfRange: "reaches past the end of the device"
    case .readOnly: "the device is read-only"
    case .unsupported: "the device cannot do that"
    case .deviceFailed(let status):
      status == UInt8(VIRTIO_BLK_S_IOERR) ? "I/O error" : "the device failed with status \(status)"
    case .systemError(let code): "error \(code)"
    }
  }
}
