/// When which socket wants to be looked at: a heap with at most one entry for each socket. Sockets without an entry cost
/// nothing.
struct TCPTimers {
  private struct Entry {
    var deadline: NetworkInstant
    var socket: Int
  }

  private var heap: [Entry] = []
  /// Where a socket's entry is in `heap`; -1: it has none.
  private var positions: [Int32] = []

  /// The earliest deadline.
  var deadline: NetworkInstant? { heap.first?.deadline }

  /// Sees to it that the socket is looked at no later than at `deadline`. It may be looked at earlier, when it had an earlier
  /// deadline before: most are moved again and again and never come, so that moving them back is not worth it.
  mutating func schedule(_ socket: Int, noLaterThan deadline: NetworkInstant) {
    if socket >= positions.count {
      positions.append(contentsOf: repeatElement(-1, count: max(16, socket + 1 - positions.count)))
    }
    let position = Int(positions[socket])
    if position < 0 {
      heap.append(Entry(deadline: deadline, socket: socket))
      positions[socket] = Int32(heap.count - 1)
      siftUp(heap.count - 1)
    } else if deadline < heap[position].deadline {
      heap[position].deadline = deadline
      siftUp(position)
    }
  }

  mutating func cancel(_ socket: Int) {
    guard socket < positions.count, positions[socket] >= 0 else { return }
    remove(at: Int(positions[socket]))
  }

  /// Removes and returns a socket that is due.
  mutating func popDue(at now: NetworkInstant) -> Int? {
    guard let first = heap.first, first.deadline <= now else { return nil }
    remove(at: 0)
    return first.socket
  }

  private mutating func remove(at position: Int) {
    positions[heap[position].socket] = -1
    let last = heap.removeLast()
    guard position < heap.count else { return }
    heap[position] = last
    positions[last.socket] = Int32(position)
    siftUp(position)
    siftDown(Int(positions[last.socket]))
  }

  private mutating func siftUp(_ start: Int) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 2
      guard heap[position].deadline < heap[parent].deadline else { return }
      exchange(position, parent)
      position = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var position = start
    while true {
      var smallest = position
      let child = 2 * position + 1
      for child in child...(child + 1)
      where child < heap.count && heap[child].deadline < heap[smallest].deadline {
        smallest = child
      }
      guard smallest != position else { return }
      exchange(position, smallest)
      position = smallest
    }
  }

  private mutating func exchange(_ a: Int, _ b: Int) {
    heap.swapAt(a, b)
    positions[heap[a].socket] = Int32(a)
    positions[heap[b].socket] = Int32(b)
  }
}
