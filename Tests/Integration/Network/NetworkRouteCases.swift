import CLinux

/// Ways out of the machine's network other than one gateway in it.
func networkRouteCases() -> [Case] {
  [
    networkCase(
      "network-dhcp-routes", "classless static routes by DHCP: on the link, the longest prefix, and none by option 3",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      for address in ["10.20.0.1", "10.30.0.1"] { try lab.ip("addr add \(address)/32 dev lo") }
      let leases = lab.directory.newPath("leases")
      var server = try lab.startDNSMasq([
        "--log-dhcp", "--dhcp-leasefile=\(leases)", "--dhcp-range=10.7.0.50,10.7.0.50,255.255.255.0,120",
        "--dhcp-authoritative", "--dhcp-option=option:T2,4",
        // At 10.7.0.98 and 10.7.0.99 nobody is.
        "--dhcp-option=option:router,10.7.0.99",
        "--dhcp-option=121,10.0.0.0/8,10.7.0.98,10.20.0.0/16,\(NetworkLab.neighbourIPv4),10.30.0.0/16,0.0.0.0",
      ])
      try lab.startMachine("echo 7", configuration: "ip=dhcp ip6=none")
      try server.waitForErrors("DHCPACK(nt0) 10.7.0.50", count: 1)
      for _ in 0..<2 {
        for source in [NetworkLab.neighbourIPv4, "10.20.0.1", "10.30.0.1"] {
          try lab.tool("ping", ["-n", "-c", "1", "-W", "20", "-I", source, "10.7.0.50"]).expect(status: 0)
        }
        // The second time after a renewal.
        try server.waitForErrors("DHCPACK(nt0) 10.7.0.50", count: 2)
      }
      try lab.endMachine(at: "10.7.0.50")
      // The longest prefix leads to nobody, or there is no route at all.
      try lab.bootMachine("connect 10.40.0.1 7 connect 172.20.0.1 7", configuration: "ip=dhcp ip6=none")
      try lab.finishMachine().expect(status: 0).expect(stderr: "")
        .expectOutput(containing: "connect: connecting to 10.40.0.1:7: unreachable\n")
        .expectOutput(containing: "connect: connecting to 172.20.0.1:7: unreachable\n")
    },
    networkCase(
      "network-gateway-outside", "a gateway outside of the machine's network, as container networks give it",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      // As Calico does it: the machine's address alone is on the link, and the gateway's is nobody's network.
      try lab.ip("addr add 169.254.1.1/32 dev \(NetworkLab.interface)")
      try lab.ip("addr add fd42::1/128 dev \(NetworkLab.interface)")
      try lab.ip("route add 10.6.0.2/32 dev \(NetworkLab.interface)")
      try lab.ip("route add fd06::2/128 dev \(NetworkLab.interface)")
      try lab.ip("addr add 10.99.0.1/32 dev lo")
      try lab.ip("addr add fd99::1/128 dev lo")
      for gateway6 in ["fd42::1", "fe80::42"] {
        if gateway6 == "fe80::42" { try lab.ip("addr add fe80::42/64 dev \(NetworkLab.interface)") }
        try lab.startMachine(
          "echo 7", configuration: "ip=10.6.0.2/32 gw=169.254.1.1 ip6=fd06::2/128 gw6=\(gateway6)")
        try lab.tool("ping", ["-n", "-c", "1", "-W", "20", "-I", "10.99.0.1", "10.6.0.2"]).expect(status: 0)
        try lab.tool("ping", ["-n", "-c", "1", "-W", "20", "-I", "fd99::1", "fd06::2"]).expect(status: 0)
        for address in ["10.6.0.2", "fd06::2"] { try expectEcho(at: address) }
        try lab.endMachine(at: "10.6.0.2")
      }
    },
  ]
}
