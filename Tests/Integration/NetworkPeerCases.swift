import CLinux
import Network

/// A machine and hosts that are this program: what needs no rights, and so runs in every lane.
func networkPeerCases() -> [Case] {
  [
    Case("network-http", "an HTTP service answers a client behind a socket, and ends when it is asked to") {
      session throws(Verdict) in
      let served = "served \(HTTPExchange.httpExample.count) requests"
      for isInherited in [false, true] {
        let network = try PeerNetwork(session)
        let options = isInherited ? try network.addInherited("net", peerAddress) : try network.add("net", peerAddress)
        var machine = try session.startService("http", options: options)
        try network.converse(with: &machine)
        try machine.finish().expect(status: 0).expect(stderr: "")
          .expect(stdout: "address \(machineAddress)\nserving on port 8080\n\(served)\n")
      }
    },
    Case("network-capture", "a capture has the frames that were exchanged, each once and in its order") {
      session throws(Verdict) in
      var directory = try TemporaryDirectory()
      let capture = directory.newPath("capture")
      let network = try PeerNetwork(session)
      let options = try network.add("net", peerAddress) + ["--pcap", "net=\(capture)"]
      var machine = try session.startService("http", options: options)
      try network.converse(with: &machine)
      try machine.finish().expect(status: 0).expect(stderr: "")
      let peer = network.peers[0]
      let frames = try capturedFrames(in: try contents(of: capture))
      let fromPeer = frames.filter { peer.isSource(of: $0) }, fromMachine = frames.filter { !peer.isSource(of: $0) }
      guard fromMachine == peer.received else {
        throw .failed("expected the \(peer.received.count) frames that the machine sent; got \(fromMachine.count)")
      }
      // What comes at the very end may find nobody who takes it.
      guard peer.sent.starts(with: fromPeer), fromPeer.contains(where: { $0.contains(HTTPExchange.quit.request) })
      else { throw .failed("expected the \(peer.sent.count) frames sent to the machine; got \(fromPeer.count)") }
    },
    Case("network-two-interfaces", "a machine between two networks passes on what comes, and keeps them apart") {
      session throws(Verdict) in
      let network = try PeerNetwork(session)
      let options = try network.add("front", peerAddress) + network.add("back", otherPeerAddress)
      let service = try network.peers[1].listen(port: 7)
      var machine = try session.monitor.start(
        "net-relay",
        "front.ip=\(machineAddress)/24 front.ip6=none back.ip=\(otherMachineAddress)/24 back.ip6=none 7000 "
          .words + ["\(otherPeerAddress)", "7"], options: options)
      try machine.waitForOutput("ready\n")
      // Behind it nobody reaches the port in front.
      let stray = try network.peers[1].connect(to: otherMachineAddress, port: 7000)
      try network.run { stray.state != .synSent }
      guard stray.state == .closed else { throw .failed("expected a refusal in the back; got a connection") }
      do throws(Verdict) {
        try network.relay(to: service)
      } catch {
        throw machine.explained(error)
      }
      machine.signal(SIGTERM)
      try machine.finish().expect(status: 128 + SIGTERM).expect(stderr: "").expect(stdout: "ready\n")
    },
  ]
}

private let peerAddress = IPv4Address(10, 7, 0, 1), machineAddress = IPv4Address(10, 7, 0, 2)
private let otherPeerAddress = IPv4Address(10, 8, 0, 1), otherMachineAddress = IPv4Address(10, 8, 0, 2)

extension Session {
  /// Starts one of the examples that serve HTTP, and waits until it does.
  fileprivate func startService(_ image: String, options: [String]) throws(Verdict) -> ChildProcess {
    var machine = try monitor.start(image, ["ip=\(machineAddress)/24", "ip6=none"], options: options)
    try machine.waitForOutput("serving on port 8080\n")
    return machine
  }
}

extension PeerNetwork {
  /// Asks the example `http` for everything on one connection, its end at last.
  fileprivate func converse(with machine: inout ChildProcess) throws(Verdict) {
    do throws(Verdict) {
      try converse(on: try connect(peers[0], to: machineAddress, port: 8080))
      try runToEnd()
    } catch {
      throw machine.explained(error)
    }
  }

  private func converse(on connection: consuming PeerConnection) throws(Verdict) {
    for exchange in HTTPExchange.httpExample { try connection.expect(exchange) }
  }

  /// What is said in front is heard in the back, and the answer in front, to the end of both.
  fileprivate func relay(to service: TCPListenSocket) throws(Verdict) {
    let front = try connect(peers[0], to: machineAddress, port: 7000)
    var stream = ExpectedStream()
    let question = stream.next(300_000), answer = stream.next(100_000)
    try front.send(question)
    front.finishWriting()
    var accepted: TCPSocket?
    try run {
      accepted = service.accept()
      return accepted != nil
    }
    let back = PeerConnection(self, accepted!)
    guard back.socket.remote.address == .v4(otherMachineAddress) else {
      throw .failed("expected a connection from \(otherMachineAddress); got one from \(back.socket.remote.address)")
    }
    guard try back.receiveToEnd() == question else { throw .failed("other bytes came out in the back than in front") }
    try back.send(answer)
    back.finishWriting()
    guard try front.receiveToEnd() == answer else { throw .failed("other bytes came out in front than in the back") }
  }
}

/// The frames in a file that `--pcap` wrote (draft-ietf-opsawg-pcap): little-endian, with nanoseconds, of Ethernet.
private func capturedFrames(in file: [UInt8]) throws(Verdict) -> [[UInt8]] {
  let header = 24, recordHeader = 16
  func word(_ offset: Int) -> Int { (0..<4).reduce(0) { $0 | Int(file[offset + $1]) << ($1 * 8) } }
  guard file.count >= header, word(0) == 0xa1b2_3c4d, word(20) == 1 else { throw .failed("not a capture of Ethernet") }
  var frames: [[UInt8]] = []
  var offset = header
  while offset < file.count {
    guard offset + recordHeader <= file.count, word(offset + 8) == word(offset + 12),
      offset + recordHeader + word(offset + 8) <= file.count
    else { throw .failed("expected whole frames; got a record at \(offset) that is cut off") }
    let start = offset + recordHeader
    offset = start + word(offset + 8)
    frames.append(Array(file[start..<offset]))
  }
  return frames
}
