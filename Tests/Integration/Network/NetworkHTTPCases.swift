import CLinux
import SeededRandom

/// HTTP clients and the examples that serve them.
func networkHTTPCases() -> [Case] {
  [
    networkCase(
      "network-curl", "curl keeps its connection, uploads in chunks, and gets what it asked for",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.startService("http")
      let base = "http://\(NetworkLab.machineIPv4):8080"
      var run = try lab.tool("curl", ["-sS", "-v", "\(base)/", "\(base)/users/7", "http://[fd07::2]:8080/?name=Ada"])
      try run.expect(status: 0).expectOutput(containing: "Hello, world!").expectOutput(containing: "Hello, Ada!")
      let reused = run.stderr.lines.filter { $0.contains(bytesOf: "Re-using existing connection") }
      try run.expect(reused.count == 1, "the second request on the first's connection", got: "\(reused.count) reuses")
      var random = SeededGenerator(seed: 23)
      let bytes = random.bytes(count: 3_000_000)
      let upload = try lab.directory.makeFile("upload", bytes), download = lab.directory.newPath("download")
      for header in ["Transfer-Encoding: chunked", "Content-Length: 3000000"] {
        run = try lab.tool(
          "curl", ["-sS", "-X", "POST", "-H", header, "-T", upload, "-o", download, "\(base)/echo"])
        try run.expect(status: 0)
        guard try contents(of: download) == bytes else {
          throw .failed("what came back with '\(header)' is not what was sent")
        }
      }
      run = try lab.tool("curl", ["-sS", "\(base)/count/200000"]).expect(status: 0)
      try run.expect(run.stdout.lines.count == 200_000, "200,000 lines", got: "\(run.stdout.lines.count)")
      try lab.tool("curl", ["-sS", "\(base)/metrics"]).expect(status: 0).expectOutput(
        containing: "tcp_passive_opens_total")
      try lab.tool("curl", ["-sS", "-X", "POST", "\(base)/quit"]).expect(status: 0)
      try lab.finishMachine().expect(status: 0).expect(stderr: "")
    },
    networkCase(
      "network-pipelining", "requests sent at once, in pieces of every size, are answered in their order",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.startService("http")
      let text =
        (0..<20).reduce("") { $0 + "GET /?name=n\($1)x HTTP/1.1\r\nHost: a\r\n\r\n" }
        + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      let bytes = Array(text.utf8)
      for size in [bytes.count, 1000, 61, 7] {
        let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 8080)
        connection.set(Int32(IPPROTO_TCP), TCP_NODELAY, to: 1)
        for start in stride(from: 0, to: bytes.count, by: size) {
          try connection.send(Array(bytes[start..<min(start + size, bytes.count)]))
        }
        var rest = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
        for number in 0..<20 {
          guard let place = rest.offset(ofBytesOf: "Hello, n\(number)x!") else {
            throw .failed("expected answer \(number) behind the one before; got '\(rest.shortened(to: 300))'")
          }
          rest = String(decoding: rest.utf8.dropFirst(place), as: UTF8.self)
        }
        guard rest.contains(bytesOf: "Hello, world!") else { throw .failed("the last answer is missing") }
      }
      try lab.quit()
    },
    networkCase(
      "network-notes-killed", "a note that was acknowledged is there after the monitor was killed", for: [.guest]
    ) {
      lab throws(Verdict) in
      let disk = try Disk(byteCount: 4 << 20)
      let options = disk.attached(as: "notes")
      var random = SeededGenerator(seed: 29)
      var acknowledged: [Int: Int] = [:]
      for round in 0..<12 {
        try lab.startService("notes", options: options)
        try lab.expectNotes(acknowledged)
        let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 8080)
        for number in 0..<Int.random(in: 1...20, using: &random) {
          let note = Int.random(in: 0..<40, using: &random), value = round * 100 + number
          try connection.put(note: note, value)
          acknowledged[note] = value
        }
        // Another is under way; it may be there or not, under a name that is not looked for.
        try connection.send(NoteText.put("last", "x"))
        lab.signalMachine(SIGKILL)
        _ = try lab.finishMachine()
      }
      try lab.startService("notes", options: options)
      try lab.expectNotes(acknowledged)
      try lab.quit()
    },
  ]
}

extension NetworkLab {
  /// Starts one of the examples that serve HTTP, on a direct link, and waits until it serves.
  fileprivate mutating func startService(_ image: String, options: [String] = []) throws(Verdict) {
    if link == nil { try connect(.direct) }
    try bootMachine("", image: image, options: options)
    try waitForMachine(output: "serving on port 8080\n")
  }

  /// Asks it to end.
  fileprivate mutating func quit() throws(Verdict) {
    try tool("curl", ["-sS", "-X", "POST", "http://\(Self.machineIPv4):8080/quit"]).expect(status: 0)
    try finishMachine().expect(status: 0).expect(stderr: "")
  }

  /// The service has these notes, by their numbers.
  fileprivate func expectNotes(_ notes: [Int: Int]) throws(Verdict) {
    for (note, value) in notes {
      let run = try tool("curl", ["-sS", "-f", "http://\(Self.machineIPv4):8080/notes/note\(note)"])
      try run.expect(status: 0).expect(stdout: "value \(value)")
    }
  }
}

/// What is said to the example `notes`.
private enum NoteText {
  static func put(_ name: String, _ text: String) -> String {
    "PUT /notes/\(name) HTTP/1.1\r\nHost: notes\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
  }
}

extension InternetSocket {
  /// Writes a note, and waits for the acknowledgement.
  fileprivate func put(note: Int, _ value: Int) throws(Verdict) {
    try send(NoteText.put("note\(note)", "value \(value)"))
    var answer = ""
    while !answer.contains(bytesOf: "\r\n\r\n") {
      let bytes = try receive()
      guard !bytes.isEmpty else { throw .failed("the connection ended before note \(note) was acknowledged") }
      answer += String(decoding: bytes, as: UTF8.self)
    }
    guard answer.hasPrefix("HTTP/1.1 204") else { throw .failed("expected 204; got '\(answer.lines[0])'") }
  }
}
