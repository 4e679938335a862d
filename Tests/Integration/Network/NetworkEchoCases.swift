/// What Linux's ping and traceroute have to say about the machine's answers.
func networkEchoCases() -> [Case] {
  [
    networkCase("network-ping", "every size of echo request up to 65,000 bytes is answered, as it is") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7")
      try lab.ping(NetworkLab.machineIPv4, sizes: pingSizes)
      try lab.endMachine()
    },
    networkCase("network-ping6", "every size of ICMPv6 echo request up to 65,000 bytes is answered, as it is") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7")
      try lab.ping(NetworkLab.machineIPv6, sizes: pingSizes)
      try lab.endMachine()
    },
    networkCase("network-ping-impaired", "fragments that come late, twice and in another order are put together") {
      lab throws(Verdict) in
      try lab.startMachine(
        "echo 7", on: .impaired(Impairment(seed: 11, duplicated: 100, reordered: 200, delay: 1)))
      try lab.ping(NetworkLab.machineIPv4, sizes: [1473, 8192, 30_000, 65_000])
      try lab.ping(NetworkLab.machineIPv6, sizes: [1453, 8192, 30_000, 65_000])
      try lab.endMachine()
    },
    networkCase("network-traceroute", "traceroute finds the machine behind a router: by UDP, ICMP and TCP") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7", on: .routed(mtu: 1500))
      for (address, router) in [
        (NetworkLab.machineIPv4, "10.8.0.2"), (NetworkLab.machineIPv6, "fd08::2"),
      ] {
        for method in [[], ["-I"], ["-T", "-p", "7"]] {
          let run = try lab.tool("traceroute", method + ["-n", "-q", "1", "-m", "4", "-w", "20", address])
          let hops = run.stdout.lines.dropFirst().map { $0.words.filter { !$0.isEmpty }.dropFirst().first ?? "" }
          try run.expect(status: 0)
          try run.expect(hops == [router, address], "the hops \(router) and \(address)", got: "others")
        }
      }
      try lab.endMachine()
    },
  ]
}

/// Sizes of the data: the smallest, the borders of one frame and of the next, and a sweep to 65,000 that hits every remainder.
private let pingSizes =
  [0, 1, 2, 3, 8, 15, 16, 17, 56, 63, 64, 1451, 1452, 1453, 1471, 1472, 1473, 1480, 1481, 2951, 2952, 2953]
  + Array(stride(from: 100, to: 65_000, by: 1301)) + [64_999, 65_000]

extension NetworkLab {
  /// Sends one request of each size, with a pattern, and expects the answer.
  func ping(_ address: String, sizes: [Int]) throws(Verdict) {
    for size in sizes {
      // -W: not a judgement, but when to give up; -p: the data, which ping compares.
      let run = try tool("ping", ["-n", "-c", "1", "-W", "20", "-p", "a55a3c", "-s", "\(size)", address])
      try run.expect(status: 0).expectOutput(containing: "1 received,").expectOutput(containing: " 0% packet loss")
      try run.expect(!run.stdout.contains(bytesOf: "wrong data byte"), "the data as it was sent", got: "other data")
    }
  }
}
