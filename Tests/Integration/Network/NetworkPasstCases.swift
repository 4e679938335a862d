import CLinux

/// The way for which nobody needs to be root.
func networkPasstCases() -> [Case] {
  [
    networkCase("network-passt", "an ordinary user's machine serves a port of the host's, by passt", for: [.guest]) {
      lab throws(Verdict) in
      // passt gives the guest the addresses of the interface with the default route.
      try lab.ip("link add up0 type veth peer name up1")
      try lab.ip("link set up1 up")
      try lab.ip("addr add 192.0.2.2/24 dev up0")
      try lab.ip("link set up0 up")
      try lab.ip("route add default via 192.0.2.1")
      let monitor = lab.session.monitor
      let command =
        [monitor.path, "run", "--net", "net=passt", "--publish", "127.0.0.1:8007:7", "--publish", "127.0.0.1:8099:99"]
        + [monitor.image("net-probe")] + "echo 7 stop 99".words
      lab.machine = try lab.start(Unprivileged.isPossible ? try lab.asNobody(command) : command, in: nil)
      try lab.waitForMachine(output: "ready\n")
      try expectEcho(at: "127.0.0.1", port: 8007)
      var exchange = try EchoExchange(count: 8, byteCount: 500_000, address: "127.0.0.1", port: 8007)
      try exchange.run()
      _ = try InternetSocket(startingTo: "127.0.0.1", port: 8099).outcome()
      try lab.finishMachine().expect(status: 0).expect(stderr: "")
    }
  ]
}

extension NetworkLab {
  /// A command that runs another as a user without any rights.
  fileprivate func asNobody(_ command: [String]) throws(Verdict) -> [String] {
    [try OwnProgram.path(), Unprivileged.mode] + command
  }
}
