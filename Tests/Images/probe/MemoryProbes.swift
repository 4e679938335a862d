import GuestKernel
import ProbeSupport

let memoryProbes: [Probe] = [
  Probe("fill-heap") { _ in
    var blocks: [Block] = []
    blocks.reserveCapacity(100_000)
    while free() > margin {
      blocks.append(Block(size: 4096, stamp: UInt8(truncatingIfNeeded: blocks.count)))
    }
    print(blocks.allSatisfy { $0.isIntact } ? "intact" : "damaged")
    for block in blocks { block.free() }
  },
  Probe("heap-churn") { arguments in
    var generator = SystemRandomNumberGenerator()
    var blocks: [Block] = []
    blocks.reserveCapacity(60_000)
    let atStart = Kernel.memory.bytesInUse
    var rounds = 0, damaged = 0, leaked = 0, leastFree = Int.max
    for _ in 0..<count(arguments) {
      // Mostly small, some large; as long as the largest request is sure to fit.
      while free() > margin + 2 * largestBlock, blocks.count < blocks.capacity {
        let limit = [64, 64, 512, 4096, largestBlock].randomElement(using: &generator)!
        blocks.append(
          Block(size: .random(in: 1...limit, using: &generator), stamp: .random(in: 0...255, using: &generator)))
      }
      leastFree = min(leastFree, free())
      // Half of them go, in no order, their place is taken again, and then all go.
      blocks.shuffle(using: &generator)
      for index in 0..<blocks.count / 2 {
        if !blocks[index].isIntact { damaged += 1 }
        blocks[index].free()
        blocks[index] = Block(size: blocks[index].size, stamp: .random(in: 0...255, using: &generator))
      }
      blocks.shuffle(using: &generator)
      while let block = blocks.popLast() {
        if !block.isIntact { damaged += 1 }
        block.free()
      }
      leaked = max(leaked, Kernel.memory.bytesInUse - atStart)
      rounds += 1
    }
    print("rounds \(rounds)")
    print("damaged \(damaged)")
    print("leaked \(leaked)")
    print("least-free \(leastFree)")
  },
  Probe("containers") { _ in
    var numbers: [Int] = []
    var squares: [Int: Int] = [:]
    var names: [String: Int] = [:]
    var text = ""
    for number in 0..<20_000 {
      numbers.append(number)
      squares[number] = number * number
      names["name \(number)"] = number
      text += "\(number),"
    }
    for number in stride(from: 0, to: 20_000, by: 2) { squares[number] = nil }
    let areThere =
      numbers == Array(0..<20_000) && squares.count == 10_000
      && (0..<20_000).allSatisfy { squares[$0] == ($0 % 2 == 0 ? nil : $0 * $0) && names["name \($0)"] == $0 }
      && text.utf8.count == 108_890
    print(areThere ? "all there" : "something is missing")
  },
  Probe("allocate") { arguments in
    let asked = count(arguments)
    // Lines made first: making them needs memory as well.
    let size = "size \(Kernel.memory.heapBytes)\nin-use "
    print(size, terminator: "")
    printWithoutAllocating(Kernel.memory.bytesInUse)
    let block = UnsafeMutableRawPointer.allocate(byteCount: asked, alignment: 16)
    print("got \(UInt(bitPattern: block).hexadecimal)")
    Kernel.exit(3)
  },
]

private let largestBlock = 64 << 10

/// More than the heap's tables, which take a 64th of it.
private let margin = Kernel.memory.heapBytes / 32

/// What is not in use, the heap's own tables among it.
private func free() -> Int { Kernel.memory.heapBytes - Kernel.memory.bytesInUse }

/// A decimal number and a line feed, straight to the console.
private func printWithoutAllocating(_ number: Int) {
  withUnsafeTemporaryAllocation(byteCount: 24, alignment: 1) { buffer in
    var position = buffer.count - 1
    buffer[position] = 0x0a
    var rest = number
    repeat {
      position -= 1
      buffer[position] = UInt8(0x30 + rest % 10)
      rest /= 10
    } while rest > 0
    Console.write(UnsafeRawBufferPointer(rebasing: buffer[position...]))
  }
}

/// Memory filled with a value that it is to keep.
private struct Block {
  let start: UnsafeMutableRawPointer
  let size: Int
  let stamp: UInt8

  init(size: Int, stamp: UInt8) {
    self.size = size
    self.stamp = stamp
    start = .allocate(byteCount: size, alignment: 16)
    start.initializeMemory(as: UInt8.self, repeating: stamp, count: size)
  }

  var isIntact: Bool {
    UnsafeRawBufferPointer(start: start, count: size).allSatisfy { $0 == stamp }
  }

  func free() {
    start.deallocate()
  }
}
