import Glibc

/// The compiler's end of our standard input and output.
///
/// A message is its length, eight bytes little-endian, and that much JSON: the protocol that the compiler speaks to every
/// macro's executable (swiftlang/swift-syntax, SwiftCompilerPluginMessageHandling). Speaking it ourselves takes these few
/// lines; the library that most macros use for it takes minutes to build.
struct CompilerConnection {
  /// The next message; nil when the compiler has no more.
  func receive() -> JSON? {
    guard let header = bytes(8) else { return nil }
    let count = header.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    guard count <= 1 << 30, let text = bytes(Int(count)) else { return nil }
    return JSON(text)
  }

  func send(_ message: JSON) {
    let text = Array(message.text.utf8)
    let header = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
    var rest = (header + text)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 else { exit(1) }
      rest = rest.dropFirst(count)
    }
  }

  private func bytes(_ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let more = bytes.withUnsafeMutableBytes { read(STDIN_FILENO, $0.baseAddress! + filled, count - filled) }
      guard more > 0 else { return nil }
      filled += more
    }
    return bytes
  }
}
