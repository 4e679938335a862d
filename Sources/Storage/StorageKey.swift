/// The name of a value: bytes, ordered by their values.
public struct StorageKey: Hashable, Comparable, Sendable {
  /// The name itself; any bytes, also none.
  public let bytes: [UInt8]

  /// A key of any bytes.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The string's UTF-8.
  public init(_ string: String) {
    bytes = Array(string.utf8)
  }

  /// By the values of the bytes; a key comes before those that it is the beginning of.
  public static func < (left: StorageKey, right: StorageKey) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  /// Whether the key begins with the bytes of another. Every key has the empty prefix.
  public func hasPrefix(_ prefix: StorageKey) -> Bool {
    bytes.starts(with: prefix.bytes)
  }
}

extension StorageKey: ExpressibleByStringLiteral {
  /// The UTF-8 of a literal.
  public init(stringLiteral: String) {
    self.init(stringLiteral)
  }
}

extension StorageKey: CustomStringConvertible {
  /// The bytes as UTF-8, repaired where they are not.
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}
