import CLinux

/// What the guest prints is what comes out, whole and in order; what it is given is what it gets.
func outputCases() -> [Case] {
  [
    Case("hello", "hello prints its line and ends with status 0") { session throws(Verdict) in
      try session.monitor.run("hello").expect(status: 0).expect(stdout: "Hello, world!\n").expect(stderr: "")
    },
    Case("hello-stripped", "so does the stripped copy") { session throws(Verdict) in
      try session.monitor.run("hello.stripped").expect(status: 0).expect(stdout: "Hello, world!\n").expect(stderr: "")
    },
    Case("arguments", "arguments arrive as they are: empty, with spaces, UTF-8, looking like options") {
      session throws(Verdict) in
      let arguments = ["arguments", "", "two words", "Grüße, 世界 👋", "--memory", "-", "--", " ", "a\tb\nc"]
      let run = try session.monitor.run("probe", arguments).expect(status: 0).expect(stderr: "")
      var expected = "argument count \(arguments.count + 1)\n"
      expected += "<\(session.monitor.image("probe"))>\n"
      for argument in arguments { expected += "<\(argument)>\n" }
      try run.expect(stdout: expected)
    },
    Case("arguments-thousand", "a thousand arguments arrive in order") { session throws(Verdict) in
      let arguments = ["arguments"] + (1...1000).map { "argument-\($0)" }
      let run = try session.monitor.run("probe", arguments).expect(status: 0)
      var expected = "argument count \(arguments.count + 1)\n"
      expected += "<\(session.monitor.image("probe"))>\n"
      for argument in arguments { expected += "<\(argument)>\n" }
      try run.expect(stdout: expected)
    },
    Case("arguments-too-long", "arguments of more than 64 KiB are refused in one line") { session throws(Verdict) in
      let half = String(repeating: "x", count: 33 << 10)
      try session.monitor.run("hello", [half, half]).expectRefusal(status: 125, naming: "the arguments take")
    },
    Case("output-large", "a megabyte, line by line, comes out intact and in order") { session throws(Verdict) in
      try expectLines(session.monitor.run("probe", ["print-lines", "\(largeOutputLines)"]), count: largeOutputLines)
    },
    Case("output-large-explicit", "a megabyte with explicit flushing comes out intact and in order") {
      session throws(Verdict) in
      try expectLines(
        session.monitor.run("probe", ["print-lines-explicitly", "\(largeOutputLines)"]), count: largeOutputLines)
    },
    Case("output-explicit", "with explicit flushing, the flushed comes at once and the rest at the end") {
      session throws(Verdict) in
      var process = try session.monitor.start("probe", ["print-and-wait"])
      try process.waitForOutput("flushed\n")
      process.signal(SIGTERM)
      try process.finish().expect(status: 128 + SIGTERM).expect(stdout: "flushed\n")
      try session.monitor.run("probe", ["print-unflushed"]).expect(status: 0).expect(stdout: "unflushed\n")
    },
    Case("output-without-newline", "what was printed without a line feed arrives at the end") {
      session throws(Verdict) in
      try session.monitor.run("probe", ["print-without-newline"]).expect(status: 0).expect(stdout: "no line feed")
    },
    Case("output-long-line", "a line longer than the console's buffer comes out whole") { session throws(Verdict) in
      try session.monitor.run("probe", ["print-long-line", "100000"]).expect(status: 0)
        .expect(stdout: String(repeating: "x", count: 100_000) + "\n")
    },
    Case("output-binary", "bytes that are no text come out as they are") { session throws(Verdict) in
      let run = try session.monitor.run("probe", ["print-bytes"]).expect(status: 0)
      // 0x00 to 0x7f as they are; decoding makes U+FFFD of each byte above.
      let expected = (UInt8(0)...255).map { $0 }
      try run.expect(stdout: String(decoding: expected, as: UTF8.self))
    },
    Case("output-before-panic", "what was printed before a panic is not lost, even unflushed") {
      session throws(Verdict) in
      try session.monitor.run("probe", ["print-and-panic"]).expect(status: 134)
        .expect(stdout: "a line\nunflushed words").expectErrors(containing: "guest panic: ")
    },
  ]
}

private let largeOutputLines = 20_000

/// The lines that the probe's `print-lines` prints: 53 bytes each.
private func expectLines(_ run: Run, count: Int) throws(Verdict) {
  try run.expect(status: 0).expect(stderr: "")
  let lines = run.stdout.lines
  try run.expect(lines.count == count, "\(count) lines", got: "\(lines.count)")
  for (index, line) in lines.enumerated() {
    let number = "\(index)"
    let expected =
      String(repeating: "0", count: 8 - number.utf8.count) + number + " the quick brown fox jumps over the lazy dog"
    try run.expect(line == expected, "line \(index) '\(expected)'", got: "'\(line)'")
  }
}
