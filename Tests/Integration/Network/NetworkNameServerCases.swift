import CLinux

/// Name servers that no package is: slow ones, and ones that change the question.
func networkNameServerCases() -> [Case] {
  [
    networkCase(
      "network-names-late", "an answer counts that comes when the server was asked once more", for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      let server = try InternetSocket.bound(.datagram, to: NetworkLab.neighbourIPv4, port: 53)
      try lab.bootMachine("resolve late.test", configuration: configuration)
      let first = try NameQuestion(received: server)
      let second = try NameQuestion(received: server)
      guard second.message != first.message else { throw .failed("expected another number, or letters of other case") }
      try first.answer(server, first.reply(name: first.name))
      try lab.finishMachine().expect(status: 0).expect(stderr: "").expectOutput(containing: "late.test 10.9.0.5\n")
    },
    networkCase(
      "network-names-lower-case", "a server that answers in lower case, whatever was asked, is understood over TCP",
      for: [.guest, .hosted]
    ) { lab throws(Verdict) in
      try lab.connect(.direct)
      let server = try InternetSocket.bound(.datagram, to: NetworkLab.neighbourIPv4, port: 53)
      let listener = try InternetSocket.bound(.stream, to: NetworkLab.neighbourIPv4, port: 53)
      try listener.listen()
      // So many letters that some are capitals.
      let name = "a-name-of-very-many-letters.with-some-more-behind-it.test"
      try lab.bootMachine("resolve \(name)", configuration: configuration)
      let question = try NameQuestion(received: server)
      try question.answer(server, question.reply(name: question.lowerCaseName))
      let connection = try listener.accept()
      let length = try connection.receive(exactly: 2)
      let again = NameQuestion(message: try connection.receive(exactly: Int(length[0]) << 8 + Int(length[1])))
      let reply = again.reply(name: again.lowerCaseName)
      try connection.send([UInt8(reply.count >> 8), UInt8(reply.count & 0xff)] + reply)
      try lab.finishMachine().expect(status: 0).expect(stderr: "").expectOutput(containing: "\(name) 10.9.0.5\n")
    },
  ]
}

private let configuration = "ip=\(NetworkLab.machineIPv4)/24 dns=\(NetworkLab.neighbourIPv4) ip6=none"

/// A question as it came (RFC 1035, 4), and what to answer.
private struct NameQuestion {
  let message: [UInt8]
  private var peer = sockaddr_storage()

  init(message: [UInt8]) {
    self.message = message
  }

  /// The next one that comes over UDP.
  init(received socket: borrowing InternetSocket) throws(Verdict) {
    try socket.wait(for: POLLIN, "a question")
    var buffer = [UInt8](repeating: 0, count: 512)
    var peer = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let descriptor = socket.descriptor
    let count = withUnsafeMutablePointer(to: &peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
      }
    }
    guard count > 16 else { throw .failed("expected a question; got \(count) bytes") }
    message = Array(buffer[..<count])
    self.peer = peer
  }

  /// With its lengths, as it was asked.
  var name: [UInt8] { Array(message[12..<message.count - 4]) }
  var lowerCaseName: [UInt8] { name.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 } }

  /// That the name has the address 10.9.0.5.
  func reply(name: [UInt8]) -> [UInt8] {
    message[..<2] + [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0] + name + [0, 1, 0, 1]
      + [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 0, 5]
  }

  /// Sends an answer to where the question came from.
  func answer(_ socket: borrowing InternetSocket, _ reply: [UInt8]) throws(Verdict) {
    var peer = peer
    let descriptor = socket.descriptor
    let count = withUnsafeMutablePointer(to: &peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(descriptor, reply, reply.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard count == reply.count else { throw Verdict(call: "sendto") }
  }
}
