import KVM

/// The large reads of one notification, done together with a `ReadPartner` where that pays.
struct LargeReads {
  /// A read is large from so many bytes on: copying them takes longer than what taking turns costs.
  static let leastByteCount = 1 << 16
  /// How many bytes of large reads have to come together. The partner takes some 50 µs to wake.
  static let leastBatchByteCount = 1 << 19
  /// How many such batches come before there is a partner, so that a machine that reads a little and ends does not pay for a
  /// thread.
  static let batchesWithoutPartner = 4
  /// How many such batches are done alone after one that had to wait for the partner, whose processor others want then.
  static let batchesAfterWait = 16

  var partner: ReadPartner?
  /// How many batches are to be done alone.
  private var batchesAlone = batchesWithoutPartner
  private var reads: [ReadPartner.Read] = []

  /// Reads what is cached and notes it in the requests; false if nothing was tried.
  mutating func read(
    _ requests: [BlockRequest], byteCount: Int, from file: borrowing BlockFile, flags: Int32
  ) -> Bool {
    guard byteCount >= Self.leastBatchByteCount else { return false }
    if batchesAlone > 0 {
      batchesAlone -= 1
      return false
    }
    if partner == nil {
      do throws(SystemCallError) { partner = try ReadPartner(file: file.descriptor.rawValue) } catch {
        // There may be room for a thread later.
        batchesAlone = Self.batchesAfterWait
      }
    }
    guard let partner else { return false }
    reads.removeAll(keepingCapacity: true)
    for request in requests { reads.append(ReadPartner.Read(offset: request.offset, vectors: request.memory)) }
    let isPrompt = reads.withUnsafeMutableBufferPointer { partner.perform($0, flags: flags) }
    if !isPrompt { batchesAlone = Self.batchesAfterWait }
    for index in requests.indices where reads[index].count > 0 { requests[index].advance(by: reads[index].count) }
    return true
  }
}
