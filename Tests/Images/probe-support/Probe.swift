import GuestKernel

/// Something that an image does when its first argument names it. It prints what it finds; the integration cases
/// (Tests/Integration) say what that must be.
public struct Probe: Sendable {
  public let name: String
  /// Gets what follows the name.
  private let run: @Sendable ([String]) async -> Void

  public init(_ name: String, _ run: @escaping @Sendable ([String]) async -> Void) {
    self.name = name
    self.run = run
  }

  /// Runs the probe that the image's arguments name.
  public static func runNamed(in all: [Probe]) async {
    let arguments = Kernel.arguments
    let name = arguments.count > 1 ? arguments[1] : ""
    guard let probe = all.first(where: { $0.name == name }) else {
      print("usage: \(arguments[0]) NAME [ARG...]; no probe is named '\(name)'")
      Kernel.exit(2)
    }
    await probe.run(Array(arguments.dropFirst(2)))
  }
}

/// The count that a case asks for.
public func count(_ arguments: [String], at index: Int = 0) -> Int {
  guard index < arguments.count, let count = Int(arguments[index]) else { fatalError("expected a number") }
  return count
}

extension FixedWidthInteger {
  public var hexadecimal: String { "0x" + String(self, radix: 16) }
}
