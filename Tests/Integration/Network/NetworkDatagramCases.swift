import CLinux
import SeededRandom

/// UDP between Linux and the machine.
func networkDatagramCases() -> [Case] {
  [
    networkCase("network-udp-echo", "datagrams up to 65,000 bytes come back as they were, over both families") {
      lab throws(Verdict) in
      try lab.startMachine("udp-echo 7")
      for (own, address) in [
        (NetworkLab.neighbourIPv4, NetworkLab.machineIPv4), (NetworkLab.neighbourIPv6, NetworkLab.machineIPv6),
      ] {
        let socket = try InternetSocket.bound(.datagram, to: own)
        try socket.setPeer(address, 7)
        var random = SeededGenerator(seed: 17)
        for size in [0, 1, 1452, 1453, 1472, 1473, 4096, 8192, 30_000, 65_000] {
          let bytes = random.bytes(count: size)
          try socket.send(datagram: bytes)
          guard try socket.receive() == bytes else { throw .failed("\(size) bytes from \(address) came back changed") }
        }
      }
      try lab.endMachine()
    },
    networkCase("network-udp-refused", "a datagram for a port that nobody has is refused (ICMP), over both families") {
      lab throws(Verdict) in
      try lab.startMachine("udp-echo 7")
      for (own, address) in [
        (NetworkLab.neighbourIPv4, NetworkLab.machineIPv4), (NetworkLab.neighbourIPv6, NetworkLab.machineIPv6),
      ] {
        let socket = try InternetSocket.bound(.datagram, to: own)
        try socket.setPeer(address, 8)
        try socket.send(datagram: [1, 2, 3])
        try socket.wait(for: POLLIN, "a refusal")
        let code = socket.pendingError()
        guard code == ECONNREFUSED else { throw .failed("expected ECONNREFUSED of \(address); got errno \(code)") }
      }
      try lab.endMachine()
    },
  ]
}
