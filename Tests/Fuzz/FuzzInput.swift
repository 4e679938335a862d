/// An input, read from the front; behind its end there are zeros.
struct FuzzInput {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isAtEnd: Bool { position >= bytes.count }
  /// How many bytes are left.
  var count: Int { bytes.count - position }

  mutating func next<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value {
    var value: Value = 0
    for index in 0..<MemoryLayout<Value>.size where position < bytes.count {
      value |= Value(truncatingIfNeeded: bytes[position]) << Value(8 * index)
      position += 1
    }
    return value
  }

  /// A number below `limit`, of one byte's worth.
  mutating func next(below limit: Int) -> Int { Int(next(UInt8.self)) % limit }

  mutating func flag() -> Bool { next(UInt8.self) & 1 != 0 }

  /// Up to `limit` bytes.
  mutating func take(_ limit: Int) -> UnsafeRawBufferPointer {
    let count = min(limit, bytes.count - position)
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// A length: mostly small or of whole descriptors, at times of any size.
  mutating func length() -> UInt32 {
    switch next(UInt8.self) & 7 {
    case 0, 1, 2: UInt32(next(UInt8.self))
    case 3: 16 * UInt32(next(UInt8.self))
    case 4: 512 * UInt32(next(UInt8.self)) + 1
    case 5, 6: UInt32(next(UInt16.self))
    default: next()
    }
  }
}
