import MachineABI

/// A split virtqueue as its device sees it (virtio-1.2 §2.7). Everything in it is the driver's, who may be hostile.
///
/// What the driver writes is read once and checked before it is used; what the device writes is never read back. The
/// driver may break its own requests and this queue, nothing else.
public final class Virtqueue {
  /// Nil when the driver has not enabled the queue, or has disabled it: then nothing of it is touched (§4.2.2.1).
  private var rings: VirtqueueRings?
  private let memory: GuestRegions
  private let allowsIndirect: Bool
  private let usesEventIndex: Bool
  private var interrupt: () -> Void
  private var needsReset: (StaticString) -> Void

  /// Free-running index of the next available entry to take.
  private var taken: UInt16 = 0
  /// The driver's index as last read. Invariant: at most the queue's size ahead of `taken`.
  private var available: UInt16 = 0
  /// Free-running index of the next used entry to write.
  private var used: UInt16 = 0
  /// How many entries were used since the driver was last told, or chose not to be.
  private var unannounced = 0
  /// How many chains may still be taken in this turn, and whether there were more.
  private var turnLeft = Int.max
  private var isTurnCutShort = false
  /// Whether the device looks for chains without being told of them.
  private var isPolled = false
  /// One bit for each head that the device has and has not given back.
  private var inFlightHeads: [UInt64]

  /// How many chains the device has and has not given back.
  public private(set) var inFlight = 0
  /// How many chains the device took since it started.
  public private(set) var chainCount: UInt64 = 0
  /// How many interrupts were sent for this queue since the device started.
  public private(set) var interruptCount: UInt64 = 0
  /// Whether the driver broke the protocol: no chains come, and none can be given back, before a reset.
  public private(set) var isBroken = false

  /// - Parameters:
  ///   - rings: nil for a queue that the driver left disabled.
  ///   - features: what was negotiated; INDIRECT_DESC and EVENT_IDX matter here.
  ///   - memory: what descriptors may name.
  ///   - interrupt: called when the driver is to be told of used buffers.
  ///   - needsReset: called once, with words, when the driver broke the protocol.
  public init(
    rings: VirtqueueRings?, features: UInt64, memory: GuestRegions, interrupt: @escaping () -> Void,
    needsReset: @escaping (StaticString) -> Void
  ) {
    self.rings = rings
    self.memory = memory
    self.interrupt = interrupt
    self.needsReset = needsReset
    allowsIndirect = features & feature(VIRTIO_F_INDIRECT_DESC) != 0
    usesEventIndex = features & feature(VIRTIO_F_EVENT_IDX) != 0
    inFlightHeads = []
    guard let rings else { return }
    inFlightHeads = [UInt64](repeating: 0, count: (Int(rings.size) + 63) / 64)
    // The driver has set the flags (§2.7.10.1), but not this: the first buffer is to be told of.
    if usesEventIndex { rings.setAvailableEvent(0) }
  }

  /// The number of entries; 0 when the queue is disabled.
  public var size: UInt16 { rings?.size ?? 0 }

  /// Takes the next available chain; nil when there is none, or the queue is broken.
  ///
  /// When it returns nil, the driver notifies the device of the next chain, unless this was a turn that was cut short.
  public func next() -> DescriptorChain? {
    var chain = DescriptorChain()
    return takeNext(into: &chain) ? chain : nil
  }

  /// What `next` does, for a device that takes many chains: `chain` becomes the next one; false when there is none.
  public func takeNext(into chain: inout DescriptorChain) -> Bool {
    guard let rings, !isBroken else { return false }
    if taken == available, !readIndex(rings), isPolled || !requestNotification(rings) { return false }
    guard turnLeft > 0 else {
      isTurnCutShort = true
      return false
    }
    let head = rings.availableHead(at: taken)
    guard head < rings.size else {
      fail("available head outside the table")
      return false
    }
    guard !isInFlight(head) else {
      fail("head made available twice")
      return false
    }
    do throws(ProtocolBreach) {
      try chain.read(head: head, in: rings, memory: memory, allowsIndirect: allowsIndirect)
    } catch {
      fail(error.reason)
      return false
    }
    taken &+= 1
    turnLeft -= 1
    setInFlight(head, true)
    inFlight += 1
    chainCount += 1
    return true
  }

  /// Runs `body`, in which `next()` gives no more chains than the queue has entries; returns whether there were more,
  /// which is then the caller's to come back for.
  ///
  /// A driver that waits meanwhile has no more. But a driver can have the device write the next chains into the rings
  /// with every answer, so without a limit one notification could keep the device busy for ever. The transport serves
  /// notifications so; a device that also takes chains when something else is ready does the same there.
  public func serveTurn(_ body: () -> Void) -> Bool {
    turnLeft = Int(size)
    isTurnCutShort = false
    body()
    turnLeft = .max
    return isTurnCutShort && !isBroken
  }

  /// The device looks for chains again and again until `endPolling`: the driver need not tell it of any (§2.7.10).
  public func beginPolling() {
    isPolled = true
    // What the driver has passed already. Without EVENT_IDX it goes on telling, which is only slower.
    if usesEventIndex { rings?.setAvailableEvent(taken &- 1) }
  }

  /// The device is to be told again. It looks once more afterwards: `next()` asks for notifications when there is nothing.
  public func endPolling() { isPolled = false }

  /// Gives a chain back, after the device wrote `written` bytes to the start of its writable buffers.
  ///
  /// Does nothing when the queue is broken or was disabled since. Giving back what was not taken, or twice, is an error
  /// of the device's.
  public func complete(head: UInt16, written: UInt32) {
    prepareUsed(head: head, written: written)
    publishUsed()
  }

  /// What `complete` does, but the driver does not see it before `publishUsed`: for chains that it is to see together.
  public func prepareUsed(head: UInt16, written: UInt32) {
    guard let rings, !isBroken else { return }
    precondition(head < rings.size && isInFlight(head), "a chain is given back once")
    setInFlight(head, false)
    inFlight -= 1
    rings.setUsedEntry(at: used, head: head, written: written)
    used &+= 1
    unannounced += 1
  }

  /// Shows the driver all chains that were given back.
  public func publishUsed() {
    guard let rings, !isBroken else { return }
    rings.publishUsed(index: used)
  }

  /// Interrupts the driver if it wants to know of what was completed since the last time (virtio-1.2 §2.7.7, §2.7.10).
  /// Once for a batch of completions.
  public func notifyDriver() {
    guard let rings, !isBroken, unannounced > 0 else { return }
    // The index goes out before the driver's wish is read; the driver does the two the other way round.
    virtq_full_barrier()
    let isWanted: Bool
    if usesEventIndex {
      // §2.7.7.2: whether the entry at `used_event` is among those written since. Modulo 2^16, all of them are.
      isWanted = Int(used &- 1 &- rings.usedEvent) < unannounced
    } else {
      isWanted = !rings.isInterruptUnwanted
    }
    unannounced = 0
    guard isWanted else { return }
    interruptCount += 1
    interrupt()
  }

  /// The driver broke the protocol: the device needs a reset (virtio-1.2 §2.1.2), and the queue gives no more chains.
  public func fail(_ reason: StaticString) {
    guard !isBroken else { return }
    isBroken = true
    needsReset(reason)
  }

  /// Marks the queue as broken without telling anyone: another queue of the device was.
  func breakSilently() { isBroken = true }

  /// The driver disabled the queue, or reset the device: nothing of it is touched any more, nobody is called.
  func disable() {
    rings = nil
    interrupt = {}
    needsReset = { _ in }
  }

  /// Writes where the next notification is wanted, and looks again, because the driver may have missed it
  /// (§2.7.13.4.1). Returns whether there are chains.
  private func requestNotification(_ rings: VirtqueueRings) -> Bool {
    guard !isBroken else { return false }
    if usesEventIndex { rings.setAvailableEvent(taken) }
    virtq_full_barrier()
    return readIndex(rings)
  }

  /// Reads the driver's index; returns whether there are chains.
  private func readIndex(_ rings: VirtqueueRings) -> Bool {
    let index = rings.availableIndex
    // More than the queue holds: the driver jumped, or went back (§2.7.6.1).
    guard index &- taken <= rings.size else {
      fail("available index jumped")
      return false
    }
    available = index
    return index != taken
  }

  private func isInFlight(_ head: UInt16) -> Bool { inFlightHeads[Int(head) / 64] & (1 << UInt64(head % 64)) != 0 }

  private func setInFlight(_ head: UInt16, _ value: Bool) {
    let bit: UInt64 = 1 << UInt64(head % 64)
    if value { inFlightHeads[Int(head) / 64] |= bit } else { inFlightHeads[Int(head) / 64] &= ~bit }
  }
}
