/// Memory for the transfers of one driver, used again when they end: a request costs no allocation, and nobody counts
/// references to it.
struct TransferPlaces {
  /// How many places are kept for later: as many as the queue could ever have transfers in flight. More are for transfers that
  /// wait for room, and go back to the heap.
  private static var spareLimit: Int { Int(preferredQueueSize) }

  /// Places that are free, linked by `next`.
  private var firstSpare: UnsafeMutablePointer<BlockTransfer>?
  private var spareCount = 0

  /// Room for one transfer, which it is the caller's to put there.
  mutating func take() -> UnsafeMutablePointer<BlockTransfer> {
    guard let place = firstSpare else { return .allocate(capacity: 1) }
    firstSpare = place.pointee.next
    spareCount -= 1
    return place
  }

  /// Takes a place back. Nothing may refer to the transfer in it any more.
  mutating func giveBack(_ place: UnsafeMutablePointer<BlockTransfer>) {
    guard spareCount < Self.spareLimit else {
      place.deallocate()
      return
    }
    place.pointee.next = firstSpare
    firstSpare = place
    spareCount += 1
  }

  /// Gives the heap back what is kept for later.
  mutating func free() {
    while let place = firstSpare {
      firstSpare = place.pointee.next
      place.deallocate()
    }
    spareCount = 0
  }
}
