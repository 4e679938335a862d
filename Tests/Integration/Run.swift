/// What came of one run of a program, and what can be expected of it.
struct Run {
  enum Ending: Equatable {
    case exited(Int32)
    case signalled(Int32)
    case running

    /// From what `waitpid` stores (wait(2): the low seven bits are the signal).
    init(waitStatus: Int32) {
      let signal = waitStatus & 0x7f
      self = signal == 0 ? .exited(waitStatus >> 8 & 0xff) : .signalled(signal)
    }

    var text: String {
      switch self {
      case .exited(let status): "status \(status)"
      case .signalled(let number): "death by signal \(number)"
      case .running: "a process that still runs"
      }
    }
  }

  let command: String
  let ending: Ending
  let stdout: String
  let stderr: String

  @discardableResult
  func expect(status: Int32) throws(Verdict) -> Run {
    guard ending == .exited(status) else { throw failure("status \(status)", got: ending.text) }
    return self
  }

  @discardableResult
  func expect(stdout expected: String) throws(Verdict) -> Run {
    guard stdout == expected else {
      throw failure("standard output '\(expected.shortened(to: 400))'", got: "'\(stdout.shortened(to: 400))'")
    }
    return self
  }

  @discardableResult
  func expect(stderr expected: String) throws(Verdict) -> Run {
    guard stderr == expected else {
      throw failure("standard error '\(expected.shortened(to: 400))'", got: "'\(stderr.shortened(to: 400))'")
    }
    return self
  }

  @discardableResult
  func expectOutput(containing text: String) throws(Verdict) -> Run {
    guard stdout.contains(bytesOf: text) else { throw failure("standard output with '\(text)'", got: "none such") }
    return self
  }

  @discardableResult
  func expectErrors(containing text: String) throws(Verdict) -> Run {
    guard stderr.contains(bytesOf: text) else { throw failure("standard error with '\(text)'", got: "none such") }
    return self
  }

  /// The monitor refused before the guest ran: this status, nothing on standard output, one line that contains `text` on
  /// standard error.
  @discardableResult
  func expectRefusal(status: Int32, naming text: String) throws(Verdict) -> Run {
    try expect(status: status).expect(stdout: "")
    let lines = stderr.lines
    guard lines.count == 1, stderr.hasSuffix("\n"), lines[0].hasPrefix("needletail: ") else {
      throw failure("one line on standard error, beginning with 'needletail: '", got: "\(lines.count) lines")
    }
    return try expectErrors(containing: text)
  }

  /// What follows `name` and a space on the one line of standard output that begins so.
  func value(_ name: String) throws(Verdict) -> String {
    let prefix = name + " "
    let values = stdout.lines.filter { $0.hasPrefix(prefix) }
    guard values.count == 1 else {
      throw failure("one line of standard output that begins with '\(prefix)'", got: "\(values.count) lines")
    }
    return String(decoding: values[0].utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
  }

  /// The number that follows `name`, decimal or, with 0x, hexadecimal.
  func number(_ name: String) throws(Verdict) -> UInt64 {
    let text = try value(name)
    guard let number = UInt64(numeral: text) else { throw failure("a number after '\(name)'", got: "'\(text)'") }
    return number
  }

  func expect(_ condition: Bool, _ expected: String, got: String) throws(Verdict) {
    guard condition else { throw failure(expected, got: got) }
  }

  /// What to say when something expected of this run did not come.
  func failure(_ expected: String, got: String) -> Verdict {
    var text = "expected \(expected); got \(got)\n"
    text += "  command: \(command)\n  ended with: \(ending.text)\n"
    for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
      text += "  \(name), \(stream.utf8.count) bytes:\n"
      for line in stream.shortened(to: 4000).lines { text += "  | \(line)\n" }
    }
    while text.hasSuffix("\n") { text.removeLast() }
    return .failed(text)
  }
}
