/// Waiters ordered by deadline: a binary heap whose elements know where they are, so that a cancelled one leaves at once.
struct TimerQueue<Waiter: TimerWaiter> {
  private var waiters: [Waiter] = []
  /// Distinguishes equal deadlines, so that they come out in the order in which they went in.
  private var nextSequence: UInt64 = 0

  /// The earliest deadline, in nanoseconds of the machine's clock.
  var earliestDeadline: UInt64? { waiters.first?.deadline }

  var count: Int { waiters.count }

  mutating func insert(_ waiter: Waiter) {
    waiter.sequence = nextSequence
    nextSequence += 1
    waiter.position = waiters.count
    waiters.append(waiter)
    siftUp(waiter.position)
  }

  /// Removes and returns the earliest waiter if its deadline is not after `now`.
  mutating func removeFirst(dueAt now: UInt64) -> Waiter? {
    guard let waiter = waiters.first, waiter.deadline <= now else { return nil }
    remove(waiter)
    return waiter
  }

  /// Removes a waiter that is in the queue.
  mutating func remove(_ waiter: Waiter) {
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

/// What waits in a `TimerQueue`.
class TimerWaiter {
  /// When it is due, in nanoseconds of the machine's clock.
  let deadline: UInt64
  fileprivate var sequence: UInt64 = 0
  /// Its index in the queue; -1 when it is not in one.
  fileprivate(set) var position = -1

  init(deadline: UInt64) {
    self.deadline = deadline
  }

  fileprivate func isBefore(_ other: TimerWaiter) -> Bool {
    (deadline, sequence) < (other.deadline, other.sequence)
  }
}
