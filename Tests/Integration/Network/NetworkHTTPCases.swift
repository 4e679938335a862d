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
      run = try lab.tool("curl", ["-sS", "\(base)/count/50000"]).expect(status: 0)
      try run.expect(run.stdout.lines.count == 50_000, "50,000 lines", got: "\(run.stdout.lines.count)")
      let metrics = try lab.metrics()
      // The connection that asks is one; others may be about to end.
      for name in ["http_connections", "tcp_connections", "tcp_passive_opens_total", "http_requests_total"] {
        guard metrics[name, default: 0] > 0 else { throw .failed("/metrics has no \(name) above 0") }
      }
      for name in ["http_faults_total", "http_timeouts_total", "tcp_backlog", "tcp_receive_queue_bytes"] {
        guard metrics[name] == 0 else { throw .failed("/metrics does not have \(name) as 0") }
      }
      if lab.subject == .guest {
        // Somebody waits to accept, nobody sleeps, and every buffer that a frame came in is the device's again.
        guard metrics["net_tasks_waiting", default: 0] > 0, metrics["needletail_tasks_sleeping"] == 0,
          metrics["needletail_tasks_ready"] != nil, metrics["needletail_task_turns_total", default: 0] > 0,
          metrics["net_receive_queue_buffers"] == metrics["net_receive_queue_limit"],
          metrics["net_transmit_queue_frames", default: .max] <= metrics["net_transmit_queue_limit", default: 0]
        else { throw .failed("of its own a guest's /metrics say \(metrics)") }
      }
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
      "network-http-encodings",
      "curl reaches routes however it writes their paths, and is told what is wrong with a request",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.startService("http")
      let base = "http://\(NetworkLab.machineIPv4):8080"
      for (path, id) in [
        ("/users/7", "7"), ("/%75sers/7", "7"), ("/us%65rs/a%2Fb", "a/b"), ("/users/%2e%2e", ".."),
        ("/users/caf%C3%A9", "café"),
      ] {
        try lab.tool("curl", ["-sS", "--path-as-is", "-A", "", base + path])
          .expect(status: 0).expect(stdout: "{\"id\":\"\(id)\",\"agent\":\"\"}")
      }
      let answers: [(arguments: [String], code: String)] = [
        (["\(base)/users/x/../7"], "404"), (["\(base)/users/x/%2e%2e/7"], "404"), (["\(base)/users%2F7"], "404"),
        (["\(base)/users/%ff"], "400"), (["\(base)/users/%zz"], "400"), (["\(base)/users/7%"], "400"),
        (["-H", "Content-Length: 12345678901234567890123", "-d", "1", "\(base)/echo"], "413"),
        (["-H", "Content-Length: 1234567890123456789012x", "-d", "1", "\(base)/echo"], "400"),
        (["-H", "Content-Length: 00000000000000000000001", "-d", "1", "\(base)/echo"], "200"),
      ]
      for (arguments, code) in answers {
        try lab.tool("curl", ["-sS", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"] + arguments)
          .expect(status: 0).expect(stdout: code)
      }
      guard try lab.metrics()["http_misuses_total"] == 0 else { throw .failed("/metrics counts a handler's mistake") }
      try lab.quit()
    },
    networkCase(
      "network-http-idle", "2,000 clients that have been answered, and stay, leave room for more in 24 MiB",
      for: [.guest]
    ) { lab throws(Verdict) in
      linux_raise_descriptor_limit()
      try lab.startService("http", options: ["--memory", "24M"])
      let before = try lab.metrics()["needletail_heap_used_bytes", default: 0]
      do {
        var held = HeldConnections()
        for _ in 0..<2000 { try held.open(NetworkLab.machineIPv4, port: 8080) }
        try held.expectGreetings()
        let after = try lab.metrics()["needletail_heap_used_bytes", default: 0]
        guard after > before, (after - before) / 2000 < 6000 else {
          throw .failed("expected less than 6000 bytes for each; got \((after - before) / 2000)")
        }
        // Each of them goes on where it was.
        try held.expectGreetings()
      }
      try lab.quit()
    },
    networkCase(
      "network-notes-killed",
      "what eight writers at once were told is written is there after the monitor was killed, and nothing else",
      for: [.guest]
    ) { lab throws(Verdict) in
      let disk = try Disk(byteCount: 4 << 20)
      let options = disk.attached(as: "notes")
      var random = SeededGenerator(seed: 29)
      var writers = NoteWriters(count: 8, seed: 31)
      for _ in 0..<12 {
        try lab.startService("notes", options: options)
        try lab.expectNotes(of: &writers)
        try writers.connect(to: NetworkLab.machineIPv4)
        try writers.write(untilAcknowledged: Int.random(in: 1...80, using: &random))
        lab.signalMachine(SIGKILL)
        _ = try lab.finishMachine()
        try writers.takeLastAnswers()
      }
      try lab.startService("notes", options: options)
      try lab.expectNotes(of: &writers)
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
    let connection = try InternetSocket.connected(to: Self.machineIPv4, port: 8080)
    try connection.expect(.quit)
    try finishMachine().expect(status: 0).expect(stderr: "")
  }

  /// Reads all notes that the writers know of, which are as they may be.
  fileprivate func expectNotes(of writers: inout NoteWriters) throws(Verdict) {
    for name in writers.possible.keys.sorted() {
      let connection = try InternetSocket.connected(to: Self.machineIPv4, port: 8080)
      try connection.send(NoteText.get(name))
      let answer = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
      guard let head = answer.offset(ofBytesOf: "\r\n\r\n"), answer.hasPrefix("HTTP/1.1 200 ") else {
        guard answer.hasPrefix("HTTP/1.1 404 ") else { throw .failed("\(name): '\(answer.shortened(to: 100))'") }
        try writers.settle(name, nil)
        continue
      }
      try writers.settle(name, String(decoding: answer.utf8.dropFirst(head + 4), as: UTF8.self))
    }
  }

  /// What Prometheus would read: samples behind their own `HELP` and `TYPE`, counters by their names.
  fileprivate func metrics() throws(Verdict) -> [String: UInt64] {
    let run = try tool("curl", ["-sS", "-f", "http://\(Self.machineIPv4):8080/metrics"]).expect(status: 0)
    var metrics: [String: UInt64] = [:]
    var described = "", type = ""
    for line in run.stdout.lines {
      let words = line.words
      if line.hasPrefix("# HELP "), words.count > 3 {
        described = words[2]
      } else if line.hasPrefix("# TYPE "), words.count == 4, words[2] == described {
        type = words[3]
      } else if words.count == 2, words[0] == described, let value = UInt64(numeral: words[1]) {
        let isCounter = words[0].hasSuffix("_total")
        guard type == (isCounter ? "counter" : "gauge") else { throw .failed("\(described) is a \(type)") }
        metrics[described] = value
      } else {
        throw .failed("/metrics has the line '\(line)' behind the description of '\(described)'")
      }
    }
    return metrics
  }
}
