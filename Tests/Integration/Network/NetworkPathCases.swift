/// Paths that take less than the link does.
func networkPathCases() -> [Case] {
  [
    networkCase("network-path-mtu", "a router that takes 1,300 bytes says so, and is heard") { lab throws(Verdict) in
      try lab.startMachine("sink 9 source 19 3000000", on: .routed(mtu: 1300))
      for address in bothFamilies {
        try receiveBulk(from: address, byteCount: 3_000_000)
        try sendBulk(to: address, byteCount: 3_000_000)
      }
      try lab.endMachine()
    },
    networkCase("network-path-blackhole", "a path that loses packets over 1,300 bytes, and tells nobody, is found out")
    {
      lab throws(Verdict) in
      var impairment = Impairment()
      impairment.largestPacket = 1300
      try lab.connect(.impaired(impairment))
      // Linux looks for such paths if it is told to (RFC 4821; ip-sysctl).
      try lab.set("ipv4/tcp_mtu_probing", to: "1")
      if lab.subject == .linux { try lab.set("ipv4/tcp_mtu_probing", to: "1", in: "machine") }
      try lab.startMachine("sink 9 source 19 200000")
      for address in bothFamilies {
        try receiveBulk(from: address, byteCount: 200_000)
        try sendBulk(to: address, byteCount: 200_000)
      }
      try lab.endMachine()
      let accounts = try lab.endWire()
      guard accounts.back.tooLarge > 0 else { throw .failed("the machine never tried: \(accounts.back.text)") }
    },
  ]
}
