import MachineABI

/// What a task wants from a block device: one request, or as many as the device's limits ask for.
struct BlockTransfer {
  let operation: BlockError.Operation
  /// Where in memory the data are, or are to go. Invariant: valid, and the device's alone where it writes, until the transfer
  /// has ended.
  private let memory: UInt64
  /// Where on the device it begins, in bytes.
  private let offset: UInt64
  private let byteCount: UInt64
  /// How much of it was made into requests.
  private var sent: UInt64 = 0
  private var isSent = false
  private var inFlight = 0
  /// The failed part with the least offset of those that are known.
  private(set) var failure: BlockFailure?
  /// Who waits for it, and is told what failed.
  let continuation: UnsafeContinuation<BlockFailure?, Never>
  /// The next transfer that waits for room in the queue.
  var next: UnsafeMutablePointer<BlockTransfer>?

  /// - Parameter memory: the address of `byteCount` bytes; of no meaning for operations without data.
  init(
    _ operation: BlockError.Operation, memory: UInt64, offset: UInt64, byteCount: UInt64,
    continuation: UnsafeContinuation<BlockFailure?, Never>
  ) {
    self.operation = operation
    self.memory = memory
    self.offset = offset
    self.byteCount = byteCount
    self.continuation = continuation
  }

  /// The next part to send; nil when there is none left.
  func nextPart(limit: UInt64) -> BlockPart? {
    guard !isSent else { return nil }
    return BlockPart(memory: memory &+ sent, offset: offset + sent, byteCount: min(limit, byteCount - sent))
  }

  /// The part was sent.
  mutating func wasSent(_ part: BlockPart) {
    inFlight += 1
    sent += part.byteCount
    isSent = sent == byteCount
  }

  /// A part has ended; nothing more is sent of a transfer that has failed.
  mutating func ended(_ part: BlockPart, with reason: BlockError.Reason?) {
    inFlight -= 1
    guard let reason else { return }
    isSent = true
    if let failure, failure.offset < part.offset { return }
    failure = BlockFailure(offset: part.offset, byteCount: part.byteCount, reason: reason)
  }

  var hasEnded: Bool { isSent && inFlight == 0 }
}

/// A part of a transfer: one request to the device.
struct BlockPart {
  var memory: UInt64
  var offset: UInt64
  var byteCount: UInt64
}

/// Which part of a transfer failed, and why.
struct BlockFailure: Equatable {
  var offset: UInt64
  var byteCount: UInt64
  var reason: BlockError.Reason
}
