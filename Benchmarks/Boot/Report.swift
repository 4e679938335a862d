/// What `needletail run --report` wrote about a run, as far as it is numbers.
struct Report {
  struct Member {
    /// "phases_ns.open_kvm"
    let path: String
    let value: Int
  }

  /// In the report's order.
  private(set) var members: [Member] = []

  init(parsing text: [UInt8]) throws(BenchmarkError) {
    var reader = JSONReader(text: text)
    members = try reader.members()
  }

  func value(_ path: String) throws(BenchmarkError) -> Int {
    for member in members where member.path == path { return member.value }
    throw BenchmarkError("the report has no number '\(path)'")
  }

  /// The members of one of its objects, by their names in it.
  func object(_ name: String) -> [Member] {
    let prefix = name + "."
    return members.filter { $0.path.hasPrefix(prefix) }
      .map { Member(path: String($0.path.dropFirst(prefix.count)), value: $0.value) }
  }
}

/// Reads the JSON that the monitor writes: objects, strings without escapes in the names, whole numbers; nothing else.
private struct JSONReader {
  let text: [UInt8]
  private var position = 0

  init(text: [UInt8]) {
    self.text = text
  }

  /// All numbers in the object that begins here, named by the names that lead to them.
  mutating func members(in prefix: String = "") throws(BenchmarkError) -> [Report.Member] {
    var members: [Report.Member] = []
    try expect("{")
    while true {
      let name = prefix + (try string())
      try expect(":")
      switch try next() {
      case "{": members += try self.members(in: name + ".")
      case "\"": _ = try string()
      default: members.append(Report.Member(path: name, value: try number()))
      }
      guard try next() == "," else { break }
      try expect(",")
    }
    try expect("}")
    return members
  }

  /// The next byte that is not white space.
  private mutating func next() throws(BenchmarkError) -> Unicode.Scalar {
    while position < text.count, text[position] == 0x20 || text[position] == 0x0a { position += 1 }
    guard position < text.count else { throw BenchmarkError("the report is not complete") }
    return Unicode.Scalar(text[position])
  }

  private mutating func expect(_ expected: Unicode.Scalar) throws(BenchmarkError) {
    let found = try next()
    guard found == expected else {
      throw BenchmarkError("the report has '\(found)' at byte \(position); expected '\(expected)'")
    }
    position += 1
  }

  private mutating func string() throws(BenchmarkError) -> String {
    try expect("\"")
    let start = position
    while position < text.count, text[position] != 0x22 { position += text[position] == 0x5c ? 2 : 1 }
    guard position < text.count else { throw BenchmarkError("the report is not complete") }
    defer { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func number() throws(BenchmarkError) -> Int {
    let start = position
    while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
    guard let number = Int(String(decoding: text[start..<position], as: UTF8.self)) else {
      throw BenchmarkError("the report has no whole number at byte \(start)")
    }
    return number
  }
}
