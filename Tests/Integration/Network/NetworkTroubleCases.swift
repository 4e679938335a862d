import CLinux

/// What becomes of others when a machine or a link goes.
func networkTroubleCases() -> [Case] {
  [
    networkCase("network-killed", "a machine killed in the middle of a transfer leaves a link that the next one takes")
    {
      lab throws(Verdict) in
      try lab.connect(.direct)
      for _ in 0..<5 {
        try lab.startMachine("source 19 1000000000 echo 7")
        let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
        _ = try connection.receive(exactly: 1_000_000)
        lab.signalMachine(SIGKILL)
        let run = try lab.finishMachine()
        try run.expect(run.ending == .signalled(SIGKILL), "death by SIGKILL", got: run.ending.text)
        connection.reset()
      }
      try lab.startMachine("echo 7")
      try expectEcho(at: NetworkLab.machineIPv4)
      try lab.endMachine()
    },
    networkCase(
      "network-tap-removed", "a TAP device removed in the middle of a transfer is said once, and the machine lives",
      for: [.guest]
    ) { lab throws(Verdict) in
      try lab.startMachine("source 19 1000000000")
      let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
      _ = try connection.receive(exactly: 1_000_000)
      try lab.ip("link delete \(NetworkLab.interface)")
      try lab.waitForMachine(errors: "the link is down")
      lab.signalMachine(SIGTERM)
      let run = try lab.finishMachine().expect(status: 128 + SIGTERM)
      try run.expect(run.stderr.lines.count == 1, "one line on standard error", got: "\(run.stderr.lines.count)")
    },
    networkCase(
      "network-required", "a machine ends with its network if it requires that, whatever it waits for", for: [.guest]
    ) { lab throws(Verdict) in
      for words in ["hold 21", "source 19 1000000000"] {
        try lab.connect(.direct)
        try lab.startMachine(words, isRequired: true)
        if words != "hold 21" {
          let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
          _ = try connection.receive(exactly: 1_000_000)
        }
        try lab.ip("link delete \(NetworkLab.interface)")
        try lab.finishMachine().expect(status: 125).expect(
          stderr: "needletail: network 'net': the TAP interface is gone; the link is down, and the machine ends, which"
            + " requires it\n")
      }
    },
    networkCase("network-wire-removed", "the same with a socket whose other side ends", for: [.guest]) {
      lab throws(Verdict) in
      try lab.startMachine("source 19 1000000000", on: .impaired(Impairment()))
      let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
      _ = try connection.receive(exactly: 1_000_000)
      _ = try lab.endWire()
      try lab.waitForMachine(errors: "the link is down")
      lab.signalMachine(SIGTERM)
      let run = try lab.finishMachine().expect(status: 128 + SIGTERM)
      try run.expect(run.stderr.lines.count == 1, "one line on standard error", got: "\(run.stderr.lines.count)")
    },
  ]
}
