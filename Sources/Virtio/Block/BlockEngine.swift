import CLinux

/// One thing to do to a disk's file.
struct BlockOperation {
  enum Kind {
    case read
    case write
    /// Ends when what it wrote is on the disk.
    case durableWrite
    /// What was written before is on the disk when this ends: fdatasync(2).
    case flush
    /// Gives a range's space back; it reads as zeros afterwards.
    case deallocate
    /// Makes a range read as zeros, and keeps its space.
    case zero
  }

  /// The most bytes that one operation reads, writes or zeroes; a request that wants more is several operations, one after
  /// the other. Without it, a driver that has 256 requests of 2 GiB under way could make a reset, and the end of its machine,
  /// wait for all of them: nobody can call an operation back. A multiple of every alignment that direct access asks for.
  static let byteLimit = 1 << 20

  var kind: Kind
  /// Bytes from the start of the file.
  var offset: Int = 0
  /// Bytes, for `deallocate` and `zero`.
  var length: Int = 0
  /// The memory to read to or write from. Invariant: these, and what they name, stay as long as the operation is under way.
  var vectors = UnsafeMutableBufferPointer<iovec>(start: nil, count: 0)
  /// Where to do it in place of the engine's file; stays open as long as that.
  var otherFile: Int32?
  /// Names the operation among those under way.
  var tag: Int

  /// For fallocate(2).
  var allocationMode: Int32 {
    FALLOC_FL_KEEP_SIZE | (kind == .zero ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE)
  }
}

/// Does operations on one file while its caller goes on.
///
/// Everything is called with the device lock held.
protocol BlockEngine: AnyObject {
  /// Readable when `service` has something to do.
  var eventDescriptor: Int32 { get }
  /// Takes an operation on, without waiting. No more than the engine's capacity may be under way.
  func add(_ operation: BlockOperation)
  /// Gets everything that was added under way. Once for a batch.
  func handOver()
  /// `handOver`, by the thread that watches `eventDescriptor`.
  func handOverHere()
  /// Calls `ended` for each operation that has ended since; from the thread that watches `eventDescriptor`.
  ///
  /// - Parameter ended: takes the operation's tag, and how many bytes it moved or the negated error number. It may add operations
  ///   and then hand them over.
  func service(_ ended: (_ tag: Int, _ result: Int32) -> Void)
  /// Waits until nothing is under way. No memory of an operation is touched any more; what came of them is forgotten.
  func drain()
}

extension BlockEngine {
  func handOverHere() { handOver() }
}
