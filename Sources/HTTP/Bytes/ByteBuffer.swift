/// Bytes that are added at the end and taken from the front.
///
/// This file has the module's only unsafe code. Invariant: `0 <= start <= end <= capacity`; the bytes from `base + start` to
/// `base + end` are initialised; `base` is a block of `capacity` bytes that belongs to this value, or nil when that is 0.
/// Nothing is allocated before there is a byte to keep. The block has one owner, so that the value may go from task to task.
struct ByteBuffer: ~Copyable, @unchecked Sendable {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var start = 0
  private var end = 0
  /// What is allocated at first.
  private let firstCapacity: Int

  /// - Parameter firstCapacity: What is allocated for the first byte; above 0.
  init(firstCapacity: Int = 512) {
    self.firstCapacity = firstCapacity
  }

  deinit { base?.deallocate() }

  var count: Int { end - start }
  var isEmpty: Bool { end == start }

  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = Span<UInt8>(
        _unsafeBytes: UnsafeRawBufferPointer(start: base.map { UnsafeRawPointer($0) + start }, count: count))
      return _overrideLifetime(span, borrowing: self)
    }
  }

  // MARK: Taking

  /// Takes bytes from the front; at most `count`.
  mutating func removeFirst(_ byteCount: Int) {
    precondition(0...count ~= byteCount, "more than the buffer has")
    start += byteCount
    if start == end { removeAll() }
  }

  /// Takes bytes from the end; at most `count`.
  mutating func removeLast(_ byteCount: Int) {
    precondition(0...count ~= byteCount, "more than the buffer has")
    end -= byteCount
  }

  mutating func removeAll() {
    start = 0
    end = 0
  }

  /// Gives memory back that is more than what is allocated at first, if no byte is kept.
  mutating func shrink() {
    guard isEmpty, capacity > firstCapacity else { return }
    base?.deallocate()
    base = nil
    capacity = 0
    removeAll()
  }

  // MARK: Adding

  /// The memory behind the last byte, for somebody else to fill; at least one byte of it. `commit` says how much it became.
  var space: MutableRawSpan {
    @_lifetime(&self)
    mutating get {
      reserve(1)
      let span = MutableRawSpan(_unsafeStart: base! + end, byteCount: capacity - end)
      return _overrideLifetime(span, mutating: &self)
    }
  }

  /// Adds the first bytes of what `space` gave, which have been filled.
  mutating func commit(_ byteCount: Int) {
    precondition(0...(capacity - end) ~= byteCount, "more than there was space for")
    end += byteCount
  }

  /// Makes room for so many more bytes.
  mutating func reserve(_ byteCount: Int) {
    guard capacity - end < byteCount else { return }
    let needed = count + byteCount
    if needed > capacity {
      let newCapacity = max(needed, 2 * capacity, firstCapacity)
      let moved = UnsafeMutableRawPointer.allocate(byteCount: newCapacity, alignment: 16)
      if let base {
        moved.copyMemory(from: base + start, byteCount: count)
        base.deallocate()
      }
      base = moved
      capacity = newCapacity
    } else if let base, start > 0 {
      base.copyMemory(from: base + start, byteCount: count)
    }
    end -= start
    start = 0
  }

  mutating func append(_ byte: UInt8) {
    reserve(1)
    base!.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
    end += 1
  }

  mutating func append(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { append($0) }
  }

  mutating func append(_ bytes: Span<UInt8>) {
    append(bytes.bytes)
  }

  mutating func append(contentsOf other: borrowing ByteBuffer) {
    append(other.bytes)
  }

  mutating func append(_ text: StaticString) {
    text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
  }

  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count)
    (base! + end).copyMemory(from: source, byteCount: bytes.count)
    end += bytes.count
  }
}

extension MutableRawSpan {
  /// Copies bytes to the front; a trap when there are more than fit.
  mutating func copyToFront(_ source: Span<UInt8>) {
    precondition(source.count <= byteCount, "more than fits")
    withUnsafeMutableBytes { destination in
      source.withUnsafeBytes { destination.copyMemory(from: $0) }
    }
  }
}

extension Array where Element == UInt8 {
  mutating func append(_ bytes: Span<UInt8>) {
    bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
  }
}

extension String {
  /// The bytes as UTF-8; nil if they are not.
  init?(validating bytes: Span<UInt8>) {
    let text = bytes.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
    guard let text else { return nil }
    self = text
  }

  /// The bytes as UTF-8, repaired where they are not.
  init(repairing bytes: Span<UInt8>) {
    self = bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
  }
}

extension Span where Element == UInt8 {
  /// Whether the bytes are those of a text.
  func equals(_ text: StaticString) -> Bool {
    text.utf8CodeUnitCount == count && text.withUTF8Buffer { matches($0) { $0 == $1 } }
  }

  /// Whether the bytes are those of a text, where letters of ASCII in either case are the same.
  func equalsIgnoringCase(_ text: StaticString) -> Bool {
    text.utf8CodeUnitCount == count && text.withUTF8Buffer { matches($0) { $0.lowercased == $1.lowercased } }
  }

  /// - Parameter other: as many bytes as these.
  private func matches(_ other: UnsafeBufferPointer<UInt8>, _ areSame: (UInt8, UInt8) -> Bool) -> Bool {
    for index in 0..<count where !areSame(self[index], other[index]) { return false }
    return true
  }
}
