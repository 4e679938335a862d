/// The header fields or the trailer fields of a message that came in (RFC 9110, 6.3 and 6.5).
///
/// They are one piece of memory, and where in it each name and value is.
public struct HTTPFields: ~Copyable, Sendable {
  /// The lines, without their ends, one behind the other; for a head, the start line is the first.
  var text = ByteBuffer(firstCapacity: 1024)
  private var entries: [Entry] = []

  private struct Entry {
    /// Offsets in `text`, each no more than the limits of a head.
    let name: Int32
    let nameEnd: Int32
    let value: Int32
    let valueEnd: Int32
  }

  init() {}

  /// How many there are; a name that comes twice counts twice.
  public var count: Int { entries.count }

  /// A name as it was sent; any combination of cases (RFC 9110, 5.1).
  public subscript(nameAt index: Int) -> Span<UInt8> {
    @_lifetime(borrow self)
    get { text.bytes.extracting(nameRange(index)) }
  }

  /// A value, without the whitespace around it.
  public subscript(valueAt index: Int) -> Span<UInt8> {
    @_lifetime(borrow self)
    get { text.bytes.extracting(valueRange(index)) }
  }

  /// The value of the first field with this name; case does not matter.
  public subscript(_ name: StaticString) -> Span<UInt8>? {
    @_lifetime(borrow self)
    get {
      guard let index = firstIndex(of: name) else { return nil }
      return text.bytes.extracting(valueRange(index))
    }
  }

  /// The value of the first field with this name as text; bytes that are no UTF-8 are repaired.
  public func string(_ name: StaticString) -> String? {
    firstIndex(of: name).map { String(repairing: self[valueAt: $0]) }
  }

  /// Whether there is a field with this name that has this value; case does not matter in either.
  public func contains(_ name: StaticString, _ value: StaticString) -> Bool {
    for index in 0..<count
    where self[nameAt: index].equalsIgnoringCase(name) && self[valueAt: index].equalsIgnoringCase(value) {
      return true
    }
    return false
  }

  private func firstIndex(of name: StaticString) -> Int? {
    for index in 0..<count where self[nameAt: index].equalsIgnoringCase(name) { return index }
    return nil
  }

  func nameRange(_ index: Int) -> Range<Int> { Int(entries[index].name)..<Int(entries[index].nameEnd) }

  func valueRange(_ index: Int) -> Range<Int> { Int(entries[index].value)..<Int(entries[index].valueEnd) }

  mutating func append(name: Range<Int>, value: Range<Int>) {
    entries.append(
      Entry(
        name: Int32(name.lowerBound), nameEnd: Int32(name.upperBound), value: Int32(value.lowerBound),
        valueEnd: Int32(value.upperBound)))
  }

  mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    text.removeAll()
  }

  /// Gives memory back that an unusually large message took.
  mutating func shrink() {
    text.shrink()
  }
}
