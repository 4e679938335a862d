import GuestKernel

/// Fails in the way its argument names, to show what the monitor says about it.
@main
struct Crash {
  static func main() async {
    let arguments = Kernel.arguments
    guard arguments.count == 2, let crash = Crash.all.first(where: { $0.name == arguments[1] }) else {
      let names = Crash.all.map { $0.name }.joined(separator: ", ")
      print("usage: crash KIND, where KIND is one of: \(names)")
      Kernel.exit(2)
    }
    print("about to crash: \(crash.name)")
    await crash.run()
    print("still alive")
    Kernel.exit(3)
  }

  let name: String
  let run: @Sendable () async -> Void

  static let all = [
    Crash(name: "fatal-error") { stop() },
    Crash(name: "index-out-of-range") { print("\(indexOutOfRange(array: [1, 2, 3], index: 7))") },
    Crash(name: "nil-unwrapped") { print("\(nilUnwrapped(Int("not a number")))") },
    Crash(name: "overflow") { print("\(overflow(Int8.max))") },
    Crash(name: "stack-overflow") { print("\(stackOverflow(depth: 1))") },
    Crash(name: "null") { readNull() },
    Crash(name: "write-to-text") { writeToText() },
    Crash(name: "write-to-constant") { writeToConstant() },
    Crash(name: "jump-to-heap") { jumpToHeap() },
    Crash(name: "jump-to-stack") { jumpToStack() },
    Crash(name: "wild-read") { wildRead() },
    Crash(name: "out-of-memory") { outOfMemory() },
    Crash(name: "double-free") { doubleFree() },
    Crash(name: "divide-by-zero") { divideByZero() },
    Crash(name: "privileged-instruction") { privilegedInstruction() },
    Crash(name: "deadlock") { await deadlock() },
  ]
}
