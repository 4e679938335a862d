import GuestKernel

/// Does what its first argument names and prints what it finds. The integration cases (Tests/Integration) say what that
/// must be.
@main
struct Probe {
  static func main() async {
    let arguments = Kernel.arguments
    let name = arguments.count > 1 ? arguments[1] : ""
    let all =
      consoleProbes + placementProbes + protectionProbes + processorProbes + clockProbes + taskProbes
      + memoryProbes + randomProbes + endlessProbes
    guard let probe = all.first(where: { $0.name == name }) else {
      print("usage: probe NAME [ARG...]; no probe is named '\(name)'")
      Kernel.exit(2)
    }
    await probe.run(Array(arguments.dropFirst(2)))
  }

  let name: String
  /// Gets what follows the name.
  let run: @Sendable ([String]) async -> Void

  init(_ name: String, _ run: @escaping @Sendable ([String]) async -> Void) {
    self.name = name
    self.run = run
  }
}

/// The count that a case asks for.
func count(_ arguments: [String]) -> Int {
  guard let first = arguments.first, let count = Int(first) else { fatalError("expected a number") }
  return count
}

extension FixedWidthInteger {
  var hexadecimal: String { "0x" + String(self, radix: 16) }
}

extension Duration {
  var inNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
