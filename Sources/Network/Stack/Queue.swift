/// First in, first out. What is taken out is released at once.
struct Queue<Element> {
  private var slots: [Element?] = []
  private var head = 0

  var count: Int { slots.count - head }
  var isEmpty: Bool { count == 0 }

  var first: Element? { isEmpty ? nil : slots[head] }

  mutating func append(_ element: Element) {
    // Moves the rest down when at least half is empty, so that each element moves once on average.
    if head > 16, head * 2 >= slots.count {
      slots.removeFirst(head)
      head = 0
    }
    slots.append(element)
  }

  mutating func popFirst() -> Element? {
    guard !isEmpty else { return nil }
    let element = slots[head].take()
    head += 1
    if isEmpty {
      slots.removeAll(keepingCapacity: slots.capacity <= 64)
      head = 0
    }
    return element
  }

  /// Puts an element in front again that `popFirst` gave.
  mutating func putBack(_ element: Element) {
    if head > 0 {
      head -= 1
      slots[head] = element
    } else {
      slots.insert(element, at: 0)
    }
  }

  mutating func removeAll() {
    slots.removeAll()
    head = 0
  }
}
