/// Why an image cannot be run.
public struct ImageError: Error {
  /// Which of the two it is; the command line has an exit status for each.
  public enum Kind: Sendable {
    /// No file has this name.
    case notFound
    /// There is a file, and it is not an image that this monitor can run.
    case notAcceptable
  }

  /// Which of the two it is.
  public let kind: Kind
  /// The image as the caller named it.
  public let path: String
  /// The field, the value it has, and what was expected instead.
  public let reason: String

  /// One line: the path and the reason.
  public var description: String { "\(path): \(reason)" }
}

/// A field of an image that is not as it must be. `Image` adds the path and turns it into an `ImageError`.
struct Refusal: Error {
  let reason: String

  init(_ reason: String) {
    self.reason = reason
  }

  init(_ field: String, _ value: String, expected: String) {
    self.reason = "\(field) is \(value); expected \(expected)"
  }

  init(_ field: String, _ value: UInt64, expected: String) {
    self.init(field, value.hexadecimal, expected: expected)
  }
}

extension UInt64 {
  /// `0x` and the digits.
  var hexadecimal: String { "0x" + String(self, radix: 16) }
}
