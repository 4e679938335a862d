import CLinux

/// Names, by dnsmasq.
func networkNameCases() -> [Case] {
  [
    networkCase(
      "network-names", "names become addresses: both families, by way of others, by TCP where UDP is too small",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      var hosts = "10.9.0.1 plain.test\n10.9.0.2 both.test\nfd09::2 both.test\nfd09::3 six.test\n"
      // 120 addresses are four times what a UDP answer may have.
      for number in 1...120 { hosts += "10.9.1.\(number) many.test\n" }
      let file = try lab.directory.makeFile("hosts", Array(hosts.utf8))
      var server = try lab.startDNSMasq([
        "--no-hosts", "--no-resolv", "--local=/test/", "--addn-hosts=\(file)", "--local-ttl=60", "--log-queries",
        "--cname=alias.test,both.test", "--cname=long.test,alias.test",
      ])
      // What is looked for are addresses of the families that the machine has itself, and servers of both are asked.
      try lab.expectNames(
        [
          ("plain.test", ["10.9.0.1"]), ("both.test", ["10.9.0.2"]), ("long.test", ["10.9.0.2"]), ("six.test", []),
          ("none.test", []), ("192.0.2.7", ["192.0.2.7"]), ("plain.test", ["10.9.0.1"]),
        ], configuration: "ip=\(NetworkLab.machineIPv4)/24 dns=\(NetworkLab.neighbourIPv4) ip6=none")
      try lab.expectNames(
        [("six.test", ["fd09::3"]), ("long.test", ["fd09::2"]), ("plain.test", [])],
        configuration: "ip=none ip6=\(NetworkLab.machineIPv6)/64 dns=\(NetworkLab.neighbourIPv6)")
      try lab.bootMachine("resolve many.test")
      let run = try lab.finishMachine().expect(status: 0).expect(stderr: "")
      let many = run.stdout.lines.last?.words ?? []
      try run.expect(
        many.first == "many.test" && many.count > 16 && many.dropFirst().allSatisfy { $0.hasPrefix("10.9.1.") },
        "at least 16 addresses", got: "\(many.count) words")
      server.signal(SIGTERM)
      // The second question for plain.test was answered from what the first had brought. Its letters are of random case.
      let queries = try server.finish().stderr.lines.filter {
        $0.lowercased().contains(bytesOf: "query[a] plain.test")
      }
      try run.expect(queries.count == 1, "one question for plain.test", got: "\(queries.count)")
    },
    networkCase(
      "network-names-special", "no server is asked about localhost, names that never exist, and numbers",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      // It would answer anything.
      var server = try lab.startDNSMasq(["--no-hosts", "--no-resolv", "--address=/#/10.9.0.66", "--log-queries"])
      let loopback = ["127.0.0.1", "::1"]
      try lab.expectNames(
        [
          ("localhost", loopback), ("Any.LocalHost.", loopback), ("a.invalid", []), ("b.onion", []), ("1.2.3", []),
          ("0x7f.1", []), ("asked.test", ["10.9.0.66"]),
        ], configuration: "ip=\(NetworkLab.machineIPv4)/24 dns=\(NetworkLab.neighbourIPv4) ip6=none")
      // Packets to an own address have no way.
      try lab.bootMachine(
        "connect localhost 80",
        configuration: "ip=\(NetworkLab.machineIPv4)/24 dns=\(NetworkLab.neighbourIPv4) ip6=none")
      try lab.finishMachine().expect(status: 0).expect(stderr: "").expectOutput(containing: ": unreachable\n")
      server.signal(SIGTERM)
      let run = try server.finish()
      let queries = run.stderr.lines.filter { $0.contains(bytesOf: "query[") }
      try run.expect(queries.count == 1, "one question, for asked.test", got: queries.joined(separator: "; "))
    },
    networkCase("network-dhcp", "a lease by DHCP, its renewal, and the name servers of it", for: [.guest, .hosted]) {
      lab throws(Verdict) in
      try lab.connect(.direct)
      let leases = lab.directory.newPath("leases")
      var server = try lab.startDNSMasq([
        "--no-hosts", "--no-resolv", "--host-record=name.test,10.9.0.1", "--log-dhcp", "--dhcp-leasefile=\(leases)",
        "--dhcp-range=10.7.0.50,10.7.0.50,255.255.255.0,120", "--dhcp-authoritative",
        // In seconds: the least that dnsmasq gives a lease for is two minutes. It makes T1, when to renew, a second less.
        "--dhcp-option=option:T2,4",
      ])
      try lab.startMachine("echo 7", configuration: "ip=dhcp ip6=none")
      try lab.ping("10.7.0.50", sizes: [56])
      try expectEcho(at: "10.7.0.50")
      // The first time for the lease, the second for its renewal.
      try server.waitForErrors("DHCPACK(nt0) 10.7.0.50", count: 2)
      try expectEcho(at: "10.7.0.50")
      try lab.endMachine(at: "10.7.0.50")
      try lab.bootMachine("resolve name.test", configuration: "ip=dhcp ip6=none")
      try lab.finishMachine().expect(status: 0).expectOutput(containing: "name.test 10.9.0.1\n")
    },
    networkCase(
      "network-dhcp-late", "a machine that starts before the DHCP server gets its lease", for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      let capture = try lab.start(
        "tcpdump", ["-i", NetworkLab.interface, "-n", "-l", "--immediate-mode", "udp", "port", "67"])
      var waiting = capture
      try waiting.waitForErrors("listening on")
      try lab.bootMachine("echo 7 stop 99", configuration: "ip=dhcp ip6=none")
      // It has asked, and nobody was there.
      try waiting.waitForOutput("BOOTP/DHCP, Request")
      let leases = lab.directory.newPath("leases")
      let server = try lab.startDNSMasq([
        "--dhcp-leasefile=\(leases)", "--dhcp-range=10.7.0.50,10.7.0.50,255.255.255.0,120", "--dhcp-authoritative",
      ])
      try lab.waitForMachine(output: "ready\n")
      try expectEcho(at: "10.7.0.50")
      try lab.endMachine(at: "10.7.0.50")
      _ = consume server
    },
    networkCase(
      "network-slaac", "an address from a router's advertisement, and the router with it", for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      let server = try lab.startDNSMasq(["--enable-ra", "--dhcp-range=fd07::,ra-only,64,120"])
      try lab.bootMachine("echo 7 stop 99", configuration: "ip=none ip6=auto")
      try lab.waitForMachine(output: "address fd07:")
      try lab.waitForMachine(output: "ready\n")
      guard let line = lab.machineOutput().lines.first(where: { $0.hasPrefix("address fd07:") }) else {
        throw .failed("expected an address of fd07::/64")
      }
      let address = line.words[1]
      try lab.ping(address, sizes: [56, 5000])
      try expectEcho(at: address)
      // From an address behind the router, so that the answer needs the route.
      try lab.ip("addr add fd99::1/128 dev lo")
      try lab.tool("ping", ["-n", "-c", "1", "-W", "20", "-I", "fd99::1", address]).expect(status: 0)
      try lab.endMachine(at: address)
      _ = consume server
    },
  ]
}

extension NetworkLab {
  /// Lets a machine look names up, one after the other; no addresses is that there is no such host.
  fileprivate mutating func expectNames(_ names: [(name: String, addresses: [String])], configuration: String)
    throws(Verdict)
  {
    let words = names.map { "resolve \($0.name)" }.joined(separator: " ")
    try bootMachine(words, configuration: configuration)
    let run = try finishMachine().expect(status: 0).expect(stderr: "")
    // The machine's own addresses come before.
    let answers = run.stdout.lines.filter { !$0.hasPrefix("address ") && $0 != "ready" }
    let expected = names.map { name, addresses in
      addresses.isEmpty ? "resolve: resolving \(name): no such host" : "\(name) " + addresses.joined(separator: " ")
    }
    try run.expect(answers == expected, expected.joined(separator: "; "), got: answers.joined(separator: "; "))
  }

  /// Starts dnsmasq on this side of the link, and waits until it serves.
  func startDNSMasq(_ options: [String]) throws(Verdict) -> ChildProcess {
    var server = try start(
      "dnsmasq",
      [
        "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--user=root", "--group=root",
        "--pid-file=",
        "--interface=\(Self.interface)", "--bind-interfaces",
      ] + options)
    try server.waitForErrors("started, version")
    return server
  }
}
