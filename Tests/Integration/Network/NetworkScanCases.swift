import CLinux

/// What those see who look at a machine from outside.
func networkScanCases() -> [Case] {
  [
    networkCase("network-scan", "nmap's half-open connections find the open ports, and the machine lives") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7 echo 80 echo 1999")
      let run = try lab.tool("nmap", "-sS -n -Pn -p 1-2000 -oG -".words + [NetworkLab.machineIPv4])
      try run.expect(status: 0)
      guard let ports = run.stdout.lines.first(where: { $0.contains(bytesOf: "Ports: ") }) else {
        throw run.failure("a line with ports", got: "none")
      }
      let open = ports.words.filter { $0.contains(bytesOf: "/open/tcp/") }.compactMap {
        $0.utf8.split(separator: 0x2f).first.flatMap { Int(String(decoding: $0, as: UTF8.self)) }
      }
      try run.expect(open == [7, 80, 99, 1999], "the open ports 7, 80, 99 and 1999", got: "\(open)")
      try run.expectOutput(containing: "Ignored State: closed (1996)")
      try expectEcho(at: NetworkLab.machineIPv4)
      try lab.endMachine()
    },
    networkCase("network-checksums", "tcpdump finds no wrong checksum in what the machine sends without offloads") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7 udp-echo 7 source 19 300000", on: .impaired(Impairment()))
      try lab.expectRightChecksums { lab throws(Verdict) in try lab.talkOfAllKinds() }
      try lab.endMachine()
    },
    networkCase("network-checksums-offloaded", "nor in what it left to the device to cut and sum up") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7 udp-echo 7 source 19 300000", on: .routed(mtu: 1500))
      try lab.expectRightChecksums { lab throws(Verdict) in try lab.talkOfAllKinds() }
      try lab.endMachine()
    },
  ]
}

extension NetworkLab {
  /// TCP, UDP with and without fragments, ICMP and its errors, over both families.
  fileprivate func talkOfAllKinds() throws(Verdict) {
    for address in bothFamilies {
      try ping(address, sizes: [1, 56, 4001])
      try expectEcho(at: address)
      try receiveBulk(from: address, byteCount: 300_000)
      _ = try InternetSocket(startingTo: address, port: 8).outcome()
      let own = address == Self.machineIPv4 ? "0.0.0.0" : "::"
      let socket = try InternetSocket.bound(.datagram, to: own)
      try socket.setPeer(address, 7)
      for size in [1, 1000, 5001] {
        try socket.send(datagram: [UInt8](repeating: 0xa5, count: size))
        _ = try socket.receive()
      }
      try socket.setPeer(address, 8)
      try socket.send(datagram: [1])
      try socket.wait(for: POLLIN, "a refusal")
    }
  }

  /// Captures what goes over the link meanwhile, and lets tcpdump judge what the machine sent.
  fileprivate mutating func expectRightChecksums(
    _ traffic: (borrowing NetworkLab) throws(Verdict) -> Void
  ) throws(Verdict) {
    let file = directory.newPath("capture")
    var capture = try start(
      "tcpdump", ["-i", Self.interface, "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file])
    try capture.waitForErrors("listening on")
    try traffic(self)
    capture.signal(SIGINT)
    try capture.finish().expect(status: 0)
    let run = try tool(
      "tcpdump", ["-r", file, "-n", "-vv", "src", "host", Self.machineIPv4, "or", "src", "host", Self.machineIPv6])
    try run.expect(status: 0)
    for kind in ["TCP (6)", "UDP (17)", "ICMP echo reply", "next-header ICMPv6", "unreachable", "frag"] {
      try run.expectOutput(containing: kind)
    }
    for complaint in ["incorrect", "bad cksum", "bad udp cksum", "wrong icmp cksum", "wrong"] {
      guard let line = run.stdout.lines.first(where: { $0.contains(bytesOf: complaint) }) else { continue }
      throw .failed("tcpdump finds '\(complaint)' in: \(line)")
    }
  }
}
