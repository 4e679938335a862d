/// Reads a piece of Swift source token by token; white space and comments between tokens are passed over.
struct SourceScanner {
  private let text: [UInt8]
  private var place = 0

  init(_ source: String) {
    text = Array(source.utf8)
    skipTrivia()
  }

  /// Where the next token starts, in bytes.
  var offset: Int { place }

  func isBefore(_ character: Unicode.Scalar) -> Bool { byte(place) == UInt8(ascii: character) }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard isBefore(character) else { return false }
    place += 1
    skipTrivia()
    return true
  }

  /// A word of ASCII letters.
  mutating func identifier() -> String? {
    let start = place
    while let byte = byte(place), (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) { place += 1 }
    guard place > start else { return nil }
    defer { skipTrivia() }
    return String(decoding: text[start..<place], as: UTF8.self)
  }

  /// What is between the quotation marks of a string literal of one line, without escapes.
  mutating func plainString() -> [UInt8]? {
    guard isBefore("\"") else { return nil }
    let start = place + 1
    var end = start
    while let byte = byte(end), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { end += 1 }
    guard byte(end) == UInt8(ascii: "\"") else { return nil }
    place = end + 1
    skipTrivia()
    return Array(text[start..<end])
  }

  private func byte(_ place: Int) -> UInt8? { place < text.count ? text[place] : nil }

  private mutating func skipTrivia() {
    while let next = byte(place) {
      switch (next, byte(place + 1)) {
      case (0x20, _), (0x09...0x0d, _):
        place += 1
      case (UInt8(ascii: "/"), UInt8(ascii: "/")):
        while let byte = byte(place), byte != 0x0a, byte != 0x0d { place += 1 }
      case (UInt8(ascii: "/"), UInt8(ascii: "*")):
        skipBlockComment()
      default:
        return
      }
    }
  }

  /// Block comments nest.
  private mutating func skipBlockComment() {
    var depth = 0
    while let next = byte(place) {
      switch (next, byte(place + 1)) {
      case (UInt8(ascii: "/"), UInt8(ascii: "*")):
        depth += 1
        place += 2
      case (UInt8(ascii: "*"), UInt8(ascii: "/")):
        depth -= 1
        place += 2
        if depth == 0 { return }
      default:
        place += 1
      }
    }
  }
}
