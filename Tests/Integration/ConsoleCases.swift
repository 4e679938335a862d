import CLinux

/// What comes in on the monitor's standard input, whatever that is, is what a guest reads.
func consoleCases() -> [Case] {
  [
    Case("console-pipe", "a guest answers each line as it comes, and sees the end of the pipe") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start("device-probe", ["echo"], options: disks.options(), input: .pipe)
      try process.waitForOutput("ready\n")
      for line in ["first", "", "with spaces ", "Grüße, 世界 👋"] {
        try process.send(line + "\n")
        try process.waitForOutput("<\(line)>\n")
      }
      // A line that comes in pieces, and one that never ends.
      for piece in ["a", "b", "c\nlast"] { try process.send(piece) }
      try process.waitForOutput("<abc>\n")
      process.closeInput()
      try process.finish().expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            ready
            <first>
            <>
            <with spaces >
            <Grüße, 世界 👋>
            <abc>
            <last>
            end after 6
            and it stays the end

            """)
    },
    Case("console-file", "a guest reads a file to its end") { session throws(Verdict) in
      let run = try runWithInput(session, "repeat", Array(manyLines.utf8)).expect(status: 0).expect(stderr: "")
      try run.expect(run.stdout == manyLines, "the \(manyLines.utf8.count) bytes of the file", got: "something else")
    },
    Case("console-pipe-large", "a guest that is sent a megabyte while it answers loses none of it") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start("device-probe", ["repeat"], options: disks.options(), input: .pipe)
      try process.send(manyLines)
      process.closeInput()
      let run = try process.finish().expect(status: 0).expect(stderr: "")
      try run.expect(run.stdout == manyLines, "the \(manyLines.utf8.count) bytes sent", got: "something else")
    },
    Case("console-line-ends", "lines end with LF, CR LF or CR, and the last one with the input") {
      session throws(Verdict) in
      try runWithInput(session, "echo", Array("a\r\nb\rc\n\nd\r\n\r\ne".utf8)).expect(status: 0)
        .expect(stdout: "ready\n<a>\n<b>\n<c>\n<>\n<d>\n<>\n<e>\nend after 7\nand it stays the end\n").expect(
          stderr: "")
    },
    Case("console-long-line", "a line that is too long comes in pieces") { session throws(Verdict) in
      let input = [UInt8](repeating: 0x78, count: 150_000) + [0x0a]
      try runWithInput(session, "echo", input).expect(status: 0)
        .expect(
          stdout: """
            ready
            line of 65536 bytes
            line of 65536 bytes
            line of 18928 bytes
            end after 3
            and it stays the end

            """)
    },
    Case("console-binary", "bytes that are no text arrive as they are") { session throws(Verdict) in
      var input: [UInt8] = []
      for index in 0..<100_003 { input.append(UInt8(truncatingIfNeeded: index &* index >> 3)) }
      let run = try runWithInput(session, "bytes", input).expect(status: 0).expect(stderr: "")
      try run.expect(
        try run.number("bytes") == UInt64(input.count), "\(input.count) bytes", got: try run.value("bytes"))
      let padded = input + [UInt8](repeating: 0, count: 8 - input.count % 8)
      let checksum = wordHash(padded)
      try run.expect(
        try run.number("checksum") == checksum, "checksum \(checksum.hexadecimal)", got: try run.value("checksum"))
    },
    Case("console-no-input", "/dev/null, an empty file and a closed standard input are the end at once") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      let empty = try Disk([])
      for input: ChildProcess.Input in [.nothing, .closed, .file(empty.path)] {
        try session.monitor.run("device-probe", ["echo"], options: disks.options(), input: input).expect(status: 0)
          .expect(stdout: "ready\nend after 0\nand it stays the end\n").expect(stderr: "")
      }
    },
    Case("console-unread", "a guest may end while there is more to read, and waiting for input is no deadlock") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start("device-probe", ["exit-unread"], options: disks.options(), input: .pipe)
      try process.send("one\ntwo\nthree\n")
      try process.finish().expect(status: 5).expect(stdout: "").expect(stderr: "")
    },
    Case("console-cancelled", "a task that gives up waiting takes no input with it") { session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start(
        "device-probe", ["cancelled-read"], options: disks.options(), input: .pipe)
      try process.waitForOutput("gave up\n")
      try process.send("a line\n")
      try process.finish().expect(status: 0).expect(stdout: "gave up\n<a line>\n").expect(stderr: "")
    },
    Case("console-two-readers", "two tasks that wait get a line each") { session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start("device-probe", ["two-readers"], options: disks.options(), input: .pipe)
      try process.send("a\nb\n")
      try process.finish().expect(status: 0).expect(stdout: "a b\n").expect(stderr: "")
    },
    Case("console-while-busy", "timers and disks go on while a task waits for input") { session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start(
        "device-probe", ["read-while-busy"], options: disks.options(), input: .pipe)
      try process.waitForOutput("ready\n")
      try process.send("enough\n")
      try process.finish().expect(status: 0).expect(stdout: "ready\n<enough>\n").expect(stderr: "")
    },
    Case("console-signal", "a signal stops a guest that waits for input") { session throws(Verdict) in
      let disks = try ProbeDisks()
      var process = try session.monitor.start("device-probe", ["echo"], options: disks.options(), input: .pipe)
      try process.waitForOutput("ready\n")
      process.signal(SIGTERM)
      try process.finish().expect(status: 128 + SIGTERM).expect(stdout: "ready\n").expect(stderr: "")
    },
  ] + consoleTerminalCases()
}

/// A guest that reads from a terminal edits the lines itself, and the terminal is as before when it ends.
private func consoleTerminalCases() -> [Case] {
  [
    Case("console-terminal", "a line typed on a terminal is echoed, can be edited, and ^D is the end") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      let terminal = try Terminal()
      var process = try session.monitor.start("device-probe", ["echo"], options: disks.options(), on: terminal)
      try process.waitForOutput("ready\n")
      try terminal.expect(.bytes, "while the guest reads")
      terminal.type("abx\u{7f}c\r")
      try process.waitForOutput("<abc>\n")
      terminal.type("all wrong\u{15}right\r")
      try process.waitForOutput("<right>\n")
      terminal.type("é\u{7f}e\r")
      try process.waitForOutput("<e>\n")
      // A terminal's end is not for ever, so each wait for a line needs one.
      terminal.type("\u{4}")
      try process.waitForOutput("end after 3\n")
      terminal.type("\u{4}")
      let run = try process.finish().expect(status: 0).expect(stderr: "")
      try run.expectOutput(containing: "abx\u{8} \u{8}c\r\n<abc>\n").expectOutput(containing: "end after 3\n")
      try terminal.expect(.lines, "after the end")
    },
    Case("console-terminal-interrupt", "the interrupt key ends a guest that reads from a terminal") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      let terminal = try Terminal()
      var process = try session.monitor.start("device-probe", ["echo"], options: disks.options(), on: terminal)
      try process.waitForOutput("ready\n")
      terminal.type("half a line")
      terminal.type(Terminal.Key.interrupt)
      try process.finish().expect(status: 128 + SIGINT).expect(stderr: "")
      try terminal.expect(.lines, "after the end")
    },
    Case("console-terminal-panic", "a panic leaves the terminal as it was") { session throws(Verdict) in
      let disks = try ProbeDisks()
      let terminal = try Terminal()
      var process = try session.monitor.start(
        "device-probe", ["read-and-panic"], options: disks.options(), on: terminal)
      try process.waitForOutput("ready\n")
      try terminal.expect(.bytes, "while the guest reads")
      terminal.type("go\r")
      try process.finish().expect(status: 134).expectErrors(containing: "after a line")
      try terminal.expect(.lines, "after the panic")
    },
    Case("console-terminal-refusal", "a machine that cannot be made leaves the terminal as it was") {
      session throws(Verdict) in
      let terminal = try Terminal()
      var process = try session.monitor.start("device-probe", ["echo"], on: terminal)
      try process.finish().expectRefusal(status: 125, naming: "expected --block data=PATH")
      try terminal.expect(.lines, "after the refusal")
    },
  ]
}

/// Some 600 KB of lines.
private let manyLines: String = {
  var text = ""
  for number in 0..<12_000 { text += "line \(number) of many, and not two of them are the same\n" }
  return text
}()

private func runWithInput(_ session: Session, _ probe: String, _ input: [UInt8]) throws(Verdict) -> Run {
  let disks = try ProbeDisks()
  let file = try Disk(input)
  return try session.monitor.run("device-probe", [probe], options: disks.options(), input: .file(file.path))
}
