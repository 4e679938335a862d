import CLinux

/// The services on QEMU's network device and its user-mode network, whose DHCP server gives them their address.
func microVMNetworkCases() -> [Case] {
  [
    Case("microvm-http", "the HTTP service answers on QEMU's network, its address by DHCP", needsKVM: false) {
      session throws(Verdict) in
      var machine = try UserNetworkMachine(session, "http", devices: [])
      try machine.expect(HTTPExchange.httpExample)
      let run = try machine.finish()
      try run.expect(exit: 0).expect(stderr: "").expectOutput(containing: "address 10.0.2.15\n")
      try run.expect(
        run.stdout.lines.last == "served \(HTTPExchange.httpExample.count) requests", "all requests counted",
        got: "'\(run.stdout.lines.last ?? "")'")
    },
    Case("microvm-notes", "a disk beside the network: a note is there after a restart", needsKVM: false) {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 4 << 20)
      for exchange in [
        HTTPExchange("PUT /notes/todo", body: "buy milk", status: 204, content: ""),
        HTTPExchange("GET /notes/todo", content: "buy milk"),
      ] {
        var machine = try UserNetworkMachine(session, "notes", devices: disk.asVirtioBlock())
        try machine.expect([exchange, .quit])
        try machine.finish().expect(exit: 0).expect(stderr: "")
      }
    },
  ]
}

/// A machine of QEMU's that serves on port 8080, and on a port of the host's that the kernel chooses.
private struct UserNetworkMachine: ~Copyable {
  private var process: ChildProcess
  private let directory: TemporaryDirectory
  /// QEMU's own console, which knows the port.
  private let console: String

  init(_ session: Session, _ image: String, devices: [String]) throws(Verdict) {
    var directory = try TemporaryDirectory()
    let console = directory.newPath("console")
    let process = try session.startMicroVM(
      image,
      devices: devices + [
        "-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:0-:8080", "-device", "virtio-net-device,netdev=net",
        "-monitor", "unix:\(console),server=on,wait=off",
      ])
    self.process = process
    self.directory = directory
    self.console = console
  }

  /// Makes these requests on one connection, as soon as there is a service.
  mutating func expect(_ exchanges: [HTTPExchange]) throws(Verdict) {
    try process.waitForOutput("serving on port 8080\n")
    let connection = try InternetSocket.connected(to: "127.0.0.1", port: try hostPort())
    for exchange in exchanges { try connection.expect(exchange) }
  }

  mutating func finish() throws(Verdict) -> Run { try process.finish() }

  /// What `info usernet` says: TCP[HOST_FORWARD], a descriptor, the address on the host, its port, and the guest's.
  private func hostPort() throws(Verdict) -> Int {
    let descriptor = linux_connect_local(console)
    guard descriptor >= 0 else { throw Verdict(call: "connect \(console)") }
    let connection = InternetSocket(owning: descriptor)
    try connection.send("info usernet\n")
    var said = ""
    while true {
      let bytes = try connection.receive()
      guard !bytes.isEmpty else { throw .failed("expected a forwarded port; QEMU's console said '\(said)'") }
      said += String(decoding: bytes, as: UTF8.self)
      // A line that has its end.
      let line = said.lines.dropLast().first { $0.contains(bytesOf: "TCP[HOST_FORWARD]") }
      if let words = line?.words, words.count > 3, let port = Int(words[3]) { return port }
    }
  }
}
