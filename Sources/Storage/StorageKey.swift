/// The name of a value: bytes, ordered by their values.
public struct StorageKey: Hashable, Comparable, Sendable {
  public let bytes: [UInt8]

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The string's UTF-8.
  public init(_ string: String) {
    bytes = Array(string.utf8)
  }

  public static func < (left: StorageKey, right: StorageKey) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  public func hasPrefix(_ prefix: StorageKey) -> Bool {
    bytes.starts(with: prefix.bytes)
  }
}

extension StorageKey: ExpressibleByStringLiteral {
  public init(stringLiteral: String) {
    self.init(stringLiteral)
  }
}

extension StorageKey: CustomStringConvertible {
  /// The bytes as UTF-8, repaired where they are not.
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}
