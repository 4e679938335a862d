/// Waiters ordered by deadline: a binary heap whose elements know where they are, so that a cancelled one leaves at once.
package struct TimerQueue<Waiter: TimerWaiter> {
  private var waiters: [Waiter] = []
  /// Distinguishes equal deadlines, so that they come out in the order in which they went in.
  private var nextSequence: UInt64 = 0

  package init() {}

  /// The earliest deadline, in nanoseconds of the machine's clock.
  package var earliestDeadline: UInt64? { waiters.first?.deadline }

  var count: Int { waiters.count }

  package mutating func insert(_ waiter: Waiter) {
    waiter.sequence = nextSequence
    nextSequence += 1
    waiter.position = waiters.count
    waiters.append(waiter)
    siftUp(waiter.position)
  }

  /// Removes and returns the earliest waiter if its deadline is not after `now`.
  package mutating func removeFirst(dueAt now: UInt64) -> Waiter? {
    guard let waiter = waiters.first, waiter.deadline <= now else { return nil }
    remove(waiter)
    return waiter
  }

  /// Removes a waiter that is in the queue.
  package mutating func remove(_ waiter: Waiter) {
    let position = waiter.position
    let moved = waiters.removeLast()
    waiter.position = -1
    guard moved !== waiter else { return }
    place(moved, at: position)
    siftUp(position)
    siftDown(moved.position)
  }

  private mutating func place(_ waiter: Waiter, at position: Int) {
    waiters[position] = waiter
    waiter.position = position
  }

  private mutating func siftUp(_ start: Int) {
    var position = start
    let waiter = waiters[position]
    while position > 0 {
      let parent = (position - 1) / 2
      guard waiter.isBefore(waiters[parent]) else { break }
      place(waiters[parent], at: position)
      position = parent
    }
    place(waiter, at: position)
  }

  private mutating func siftDown(_ start: Int) {
    var position = start
    let waiter = waiters[position]
    while true {
      var child = 2 * position + 1
      guard child < waiters.count else { break }
      if child + 1 < waiters.count, waiters[child + 1].isBefore(waiters[child]) { child += 1 }
      guard waiters[child].isBefore(waiter) else { break }
      place(waiters[child], at: position)
      position = child
    }
    place(waiter, at: position)
  }
}

/// What waits in a `TimerQueue`, which keeps two things in it.
package protocol TimerWaiter: AnyObject {
  /// When it is due, in nanoseconds of the machine's clock. It does not change.
  var deadline: UInt64 { get }
  /// Of the queue's own use; at first 0.
  var sequence: UInt64 { get set }
  /// Its index in the queue; -1 when it is not in one.
  var position: Int { get set }
}

extension TimerWaiter {
  fileprivate func isBefore(_ other: some TimerWaiter) -> Bool {
    (deadline, sequence) < (other.deadline, other.sequence)
  }
}
