import SeededRandom
import Testing

@testable import GuestKernel

@Suite struct TimerQueueTests {
  private final class Waiter: TimerWaiter {
    let number: Int
    let deadline: UInt64
    var sequence: UInt64 = 0
    var position = -1

    init(_ number: Int, deadline: UInt64) {
      self.number = number
      self.deadline = deadline
    }
  }

  @Test func emptyQueue() {
    var queue = TimerQueue<Waiter>()
    #expect(queue.count == 0)
    #expect(queue.earliestDeadline == nil)
    #expect(queue.removeFirst(dueAt: .max) == nil)
  }

  @Test func nobodyIsWokenEarly() {
    var queue = TimerQueue<Waiter>()
    queue.insert(Waiter(0, deadline: 100))
    #expect(queue.removeFirst(dueAt: 99) == nil)
    #expect(queue.removeFirst(dueAt: 100)?.number == 0)
    #expect(queue.count == 0)
  }

  @Test func extremeDeadlines() {
    var queue = TimerQueue<Waiter>()
    for (number, deadline) in ([.max, 0, .max - 1, 1] as [UInt64]).enumerated() {
      queue.insert(Waiter(number, deadline: deadline))
    }
    #expect(queue.earliestDeadline == 0)
    #expect(queue.removeFirst(dueAt: 0)?.number == 1)
    #expect(queue.removeFirst(dueAt: 0) == nil)
    #expect((0..<3).map { _ in queue.removeFirst(dueAt: .max)?.number } == [3, 2, 0])
  }

  @Test func equalDeadlinesComeInTheirOrder() {
    var queue = TimerQueue<Waiter>()
    for number in 0..<1000 { queue.insert(Waiter(number, deadline: 7)) }
    #expect((0..<1000).map { _ in queue.removeFirst(dueAt: 7)!.number } == Array(0..<1000))
  }

  @Test func removedAndInsertedAgain() {
    var queue = TimerQueue<Waiter>()
    let waiter = Waiter(0, deadline: 5)
    queue.insert(waiter)
    #expect(waiter.position == 0)
    queue.remove(waiter)
    #expect(waiter.position == -1)
    #expect(queue.count == 0)
    queue.insert(Waiter(1, deadline: 5))
    queue.insert(waiter)
    // Behind the one that came meanwhile.
    #expect((0..<2).map { _ in queue.removeFirst(dueAt: 5)?.number } == [1, 0])
  }

  @Test func waitersAreLetGo() {
    weak var gone: Waiter?
    var queue = TimerQueue<Waiter>()
    do {
      let waiter = Waiter(0, deadline: 1)
      gone = waiter
      queue.insert(waiter)
      queue.insert(Waiter(1, deadline: 2))
    }
    #expect(gone != nil)
    _ = queue.removeFirst(dueAt: 1)
    #expect(gone == nil)
  }

  /// Against a list that is searched from one end to the other. Few deadlines, so that many are equal.
  @Test(arguments: [4, 64, UInt64.max]) func randomOperations(deadlines: UInt64) {
    var generator = SeededGenerator(seed: deadlines)
    var queue = TimerQueue<Waiter>()
    /// In the order of insertion.
    var model: [Waiter] = []
    var woken = 0, cancelled = 0
    for number in 0..<30_000 {
      // Waves: long queues and short ones.
      let insertions = number / 1000 % 2 == 0 ? 6 : 2
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<insertions:
        let waiter = Waiter(number, deadline: .random(in: 0...deadlines, using: &generator))
        queue.insert(waiter)
        model.append(waiter)
      case insertions..<8:
        let now = UInt64.random(in: 0...deadlines, using: &generator)
        let expected = model.filter { $0.deadline <= now }.min { $0.deadline < $1.deadline }
        let first = queue.removeFirst(dueAt: now)
        #expect(first === expected)
        guard let first else { break }
        #expect(first.position == -1)
        model.removeAll { $0 === first }
        woken += 1
      default:
        guard let index = model.indices.randomElement(using: &generator) else { break }
        queue.remove(model[index])
        #expect(model[index].position == -1)
        model.remove(at: index)
        cancelled += 1
      }
      #expect(queue.count == model.count)
      if number % 16 == 0 {
        #expect(queue.earliestDeadline == model.map(\.deadline).min())
        #expect(Set(model.map(\.position)) == Set(model.indices))
      }
    }
    #expect(woken > 1000)
    #expect(cancelled > 1000)
  }
}
