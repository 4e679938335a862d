/// The options of a DHCP message (RFC 2132), by their numbers.
///
/// An option that is there several times was split, and its value is all of its parts in their order (RFC 3396, 7).
struct DHCPOptions {
  private var values: [UInt8: [UInt8]] = [:]

  static let pad: UInt8 = 0
  static let end: UInt8 = 255

  /// Takes in the options of one of a message's fields, up to the one that marks the end or to the end of the field.
  ///
  /// - Returns: false: an option reaches past the end.
  mutating func read(_ field: RawSpan) -> Bool {
    var offset = 0
    while offset < field.byteCount {
      let option = field[offset]
      offset += 1
      if option == Self.pad { continue }
      if option == Self.end { return true }
      guard offset < field.byteCount else { return false }
      let byteCount = Int(field[offset])
      offset += 1
      guard byteCount <= field.byteCount - offset else { return false }
      values[option, default: []] += field.extracting(offset..<offset + byteCount).copy()
      offset += byteCount
    }
    return true
  }

  /// Empty: the option is not there, or has no value.
  func bytes(_ option: UInt8) -> [UInt8] { values[option] ?? [] }

  /// nil: the option is not there, or its value is not as long as such numbers. Servers that send a number twice mean no
  /// number of twice the length: the first counts.
  func number<Number: FixedWidthInteger & BitwiseCopyable>(_ option: UInt8, as type: Number.Type = Number.self)
    -> Number?
  {
    numbers(option, as: type, limit: 1).first
  }

  /// The first numbers of a list; empty: the option is not there, or its length is no multiple of a number's.
  func numbers<Number: FixedWidthInteger & BitwiseCopyable>(
    _ option: UInt8, as type: Number.Type = Number.self, limit: Int
  ) -> [Number] {
    let size = MemoryLayout<Number>.size
    guard let value = values[option], value.count % size == 0 else { return [] }
    return (0..<min(value.count / size, limit)).map { value.span.bytes.load($0 * size) }
  }
}
