import GuestKernel
import ProbeSupport

let randomProbes: [Probe] = [
  Probe("random-words") { _ in
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<64 { print((generator.next() as UInt64).hexadecimal) }
  },
  Probe("random-spread") { _ in
    var generator = SystemRandomNumberGenerator()
    let samples = 100_000
    var set = InlineArray<64, Int>(repeating: 0)
    for _ in 0..<samples {
      let word: UInt64 = generator.next()
      for bit in 0..<64 { set[bit] += Int(word >> UInt64(bit) & 1) }
    }
    // Ten standard deviations, sqrt(samples) / 2 each: chance alone never gets there.
    let deviation = 10 * 158
    var isBalanced = true
    for bit in 0..<64 where abs(set[bit] - samples / 2) > deviation { isBalanced = false }
    print(isBalanced ? "balanced" : "not balanced")
  },
  Probe("set-order") { _ in
    var numbers: Set<Int> = []
    for number in 0..<50 { numbers.insert(number) }
    print(numbers.map { "\($0)" }.joined(separator: " "))
  },
]
