import CLinux
import KVM

/// The random numbers that one machine is made with.
struct BootEntropy {
  var seed: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
  /// Its lowest byte is zero, so that a string function that runs over does not copy it (glibc's convention).
  var canary: UInt64 = 0
  var placement = MachineLayout.Placement(image: 0, memory: 0)

  init() throws(SystemCallError) {
    var words = InlineArray<11, UInt64>(repeating: 0)
    var span = words.mutableSpan
    let count = span.withUnsafeMutableBytes { getrandom($0.baseAddress!, $0.count, 0) }
    // Up to 256 bytes come whole once the kernel's generator is ready (getrandom(2)).
    guard count == 11 * MemoryLayout<UInt64>.size else { throw SystemCallError("getrandom") }
    seed = (words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    canary = words[8] & ~0xff
    placement = MachineLayout.Placement(image: words[9], memory: words[10])
  }
}
