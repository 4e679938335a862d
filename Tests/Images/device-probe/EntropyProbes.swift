import GuestKernel
import MachineABI
import ProbeSupport

let entropyProbes: [Probe] = [
  // REQUESTS: words that the device itself gives.
  Probe("entropy") { arguments in
    let device = RawDevice("entropy"), queue = RawQueue()
    for _ in 0..<count(arguments) {
      queue.clear()
      device.begin(queue)
      // Buffers of all lengths, one behind the other.
      queue.describe(0, queue.data, 1, flags: VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, next: 1)
      queue.describe(1, queue.data + 1, 31, flags: VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT, next: 2)
      queue.describe(2, queue.data + 32, 4064, flags: VIRTQ_DESC_F_WRITE)
      queue.makeAvailable(0)
      device.notify()
      while queue.usedIndex == 0 { await Task.yield() }
      let words = UnsafeBufferPointer(
        start: UnsafePointer<UInt64>(bitPattern: UInt(queue.data)), count: 4096 / MemoryLayout<UInt64>.stride)
      for index in [0, 3, 4, 511] { print(words[index].hexadecimal) }
      // 32768 coins; ten standard deviations of 91 are never seen.
      let ones = words.reduce(0) { $0 + $1.nonzeroBitCount }
      print(abs(ones - 16384) < 910 ? "balanced" : "not balanced")
      device.reset()
    }
  }
]
