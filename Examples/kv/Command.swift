import Storage

/// One line of input.
enum Command {
  case set(StorageKey, [UInt8])
  case get(StorageKey)
  case delete(StorageKey)
  case list(prefix: StorageKey)
  case commit
  case discard
  case help
  case quit
  case nothing

  /// Why a line is no command.
  struct Mistake: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameter line: Words with spaces between them. A value is the rest of the line, with the spaces in it.
  init(_ line: String) throws(Mistake) {
    var rest = line.utf8[...]
    let name = Self.takeWord(&rest)
    switch String(decoding: name, as: UTF8.self) {
    case "": self = .nothing
    case "set":
      let key = Self.takeWord(&rest)
      guard !key.isEmpty, !rest.isEmpty else { throw Mistake(description: "usage: set KEY VALUE") }
      self = .set(StorageKey(Array(key)), Array(rest))
    case "get": self = .get(try Self.onlyWord(rest, usage: "get KEY"))
    case "delete": self = .delete(try Self.onlyWord(rest, usage: "delete KEY"))
    case "list": self = .list(prefix: rest.isEmpty ? "" : try Self.onlyWord(rest, usage: "list [PREFIX]"))
    case "commit": self = .commit
    case "discard": self = .discard
    case "help": self = .help
    case "quit": self = .quit
    case let other: throw Mistake(description: "no command is named '\(other)'; try 'help'")
    }
  }

  /// The word at the front, which is taken off with the spaces around it.
  private static func takeWord(_ rest: inout Substring.UTF8View) -> [UInt8] {
    let space = UInt8(ascii: " ")
    rest = rest.drop { $0 == space }
    let word = rest.prefix { $0 != space }
    rest = rest[word.endIndex...].drop { $0 == space }
    return Array(word)
  }

  private static func onlyWord(_ rest: Substring.UTF8View, usage: String) throws(Mistake) -> StorageKey {
    var rest = rest
    let word = takeWord(&rest)
    guard !word.isEmpty, rest.isEmpty else { throw Mistake(description: "usage: \(usage)") }
    return StorageKey(word)
  }
}
