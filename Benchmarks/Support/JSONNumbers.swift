/// The numbers in a JSON text (RFC 8259) that a program under measurement wrote, named by what leads to them.
package struct JSONNumbers {
  package struct Member {
    /// "phases_ns.open_kvm", "jobs.0.read.iops"
    package let path: String
    /// What is behind a decimal point is left out.
    package let value: Int
  }

  /// In the text's order.
  package private(set) var members: [Member] = []

  /// - Parameter text: one object; what stands before it is left out.
  package init(parsing text: [UInt8]) throws(BenchmarkError) {
    guard let start = text.firstIndex(of: 0x7b) else {
      throw BenchmarkError("no JSON, but: " + String(decoding: text, as: UTF8.self))
    }
    var reader = JSONReader(text: text, position: start)
    try reader.read(into: &members)
  }

  package func value(_ path: String) throws(BenchmarkError) -> Int {
    for member in members where member.path == path { return member.value }
    throw BenchmarkError("there is no number '\(path)'")
  }

  /// The members of one of its objects, by their names in it.
  package func object(_ name: String) -> [Member] {
    let prefix = name + "."
    return members.filter { $0.path.hasPrefix(prefix) }
      .map { Member(path: String($0.path.dropFirst(prefix.count)), value: $0.value) }
  }
}

/// Reads JSON whose names have no escapes.
private struct JSONReader {
  let text: [UInt8]
  var position: Int

  /// One value and all that is in it.
  mutating func read(into members: inout [JSONNumbers.Member], path: String = "") throws(BenchmarkError) {
    let prefix = path.isEmpty ? "" : path + "."
    switch try next() {
    case "{":
      try elements("{", "}") { reader, _ throws(BenchmarkError) in
        let name = try reader.string()
        try reader.expect(":")
        try reader.read(into: &members, path: prefix + name)
      }
    case "[":
      try elements("[", "]") { reader, index throws(BenchmarkError) in
        try reader.read(into: &members, path: prefix + "\(index)")
      }
    case "\"": _ = try string()
    case "t", "f", "n": while position < text.count, (0x61...0x7a).contains(text[position]) { position += 1 }
    default: members.append(JSONNumbers.Member(path: path, value: try number()))
    }
  }

  private mutating func elements(
    _ opening: Unicode.Scalar, _ closing: Unicode.Scalar,
    _ element: (inout JSONReader, _ index: Int) throws(BenchmarkError) -> Void
  ) throws(BenchmarkError) {
    try expect(opening)
    var index = 0
    while try next() != closing {
      if index > 0 { try expect(",") }
      try element(&self, index)
      index += 1
    }
    try expect(closing)
  }

  /// The next byte that is not white space.
  private mutating func next() throws(BenchmarkError) -> Unicode.Scalar {
    while position < text.count, text[position] == 0x20 || (0x09...0x0d).contains(text[position]) { position += 1 }
    guard position < text.count else { throw BenchmarkError("the JSON is not complete") }
    return Unicode.Scalar(text[position])
  }

  private mutating func expect(_ expected: Unicode.Scalar) throws(BenchmarkError) {
    let found = try next()
    guard found == expected else {
      throw BenchmarkError("the JSON has '\(found)' at byte \(position); expected '\(expected)'")
    }
    position += 1
  }

  private mutating func string() throws(BenchmarkError) -> String {
    try expect("\"")
    let start = position
    while position < text.count, text[position] != 0x22 { position += text[position] == 0x5c ? 2 : 1 }
    guard position < text.count else { throw BenchmarkError("the JSON is not complete") }
    defer { position += 1 }
    return String(decoding: text[start..<position], as: UTF8.self)
  }

  private mutating func number() throws(BenchmarkError) -> Int {
    let start = position
    if position < text.count, text[position] == 0x2d { position += 1 }
    skipDigits()
    guard let number = Int(String(decoding: text[start..<position], as: UTF8.self)) else {
      throw BenchmarkError("the JSON has no number at byte \(start)")
    }
    if position < text.count, text[position] == 0x2e {
      position += 1
      skipDigits()
    }
    return number
  }

  private mutating func skipDigits() {
    while position < text.count, (0x30...0x39).contains(text[position]) { position += 1 }
  }
}
