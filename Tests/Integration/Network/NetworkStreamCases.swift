import CLinux
import SeededRandom

/// TCP between Linux and the machine, on a link that loses nothing.
func networkStreamCases() -> [Case] {
  [
    networkCase("network-tcp-echo", "what is sent comes back, over both families, and then the end") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7")
      for address in bothFamilies {
        var random = SeededGenerator(seed: 7)
        let connection = try InternetSocket.connected(to: address, port: 7)
        for size in [1, 2, 535, 536, 1459, 1460, 1461, 20_000] {
          let bytes = random.bytes(count: size)
          try connection.send(bytes)
          guard try connection.receive(exactly: size) == bytes else { throw .failed("\(size) bytes came back changed") }
        }
        connection.finishWriting()
        guard try connection.receiveToEnd().isEmpty else { throw .failed("more came back than was sent") }
      }
      try lab.endMachine()
    },
    networkCase("network-tcp-bulk", "100 MB at once in each direction arrive as they were, and some over both families")
    {
      lab throws(Verdict) in
      try lab.startMachine("sink 9 source 19 \(100_000_000) source 20 \(5_000_000)")
      try sendBulk(to: NetworkLab.machineIPv4, byteCount: 100_000_000)
      try receiveBulk(from: NetworkLab.machineIPv6, byteCount: 100_000_000)
      try sendBulk(to: NetworkLab.machineIPv6, byteCount: 5_000_000)
      try receiveBulk(from: NetworkLab.machineIPv4, port: 20, byteCount: 5_000_000)
      try lab.endMachine()
    },
    networkCase("network-tcp-crossing", "64 connections at once send and receive, each its own bytes") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7")
      var exchange = try EchoExchange(count: 64, byteCount: 200_000, address: NetworkLab.machineIPv4, port: 7)
      try exchange.run()
      try lab.endMachine()
    },
    networkCase("network-tcp-refused", "a port at which nobody listens refuses, over both families") {
      lab throws(Verdict) in
      try lab.startMachine("echo 7")
      for address in bothFamilies {
        let code = try InternetSocket(startingTo: address, port: 8).outcome()
        guard code == ECONNREFUSED else { throw .failed("expected ECONNREFUSED of \(address); got errno \(code)") }
      }
      try lab.endMachine()
    },
    networkCase("network-tcp-half-close", "an end that came first does not end what goes the other way") {
      lab throws(Verdict) in
      try lab.startMachine("source 19 3000000")
      let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
      connection.finishWriting()
      try expectStream(from: connection, byteCount: 3_000_000)
      try lab.endMachine()
    },
    networkCase("network-tcp-window", "a peer that does not read stops the machine, and loses nothing") {
      lab throws(Verdict) in
      try lab.startMachine("source 19 8000000 echo 7")
      let connection = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
      try connection.wait(for: POLLIN, "the first bytes")
      // Meanwhile the window closes, and the machine has others to serve.
      for _ in 0..<200 { try expectEcho(at: NetworkLab.machineIPv4) }
      try expectStream(from: connection, byteCount: 8_000_000)
      try lab.endMachine()
    },
    networkCase("network-tcp-reset", "a connection that is reset is gone, and others are not") { lab throws(Verdict) in
      try lab.startMachine("hold 21 echo 7 source 19 5000000")
      for _ in 0..<100 {
        let held = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 21)
        try held.send("x")
        guard try held.receive(exactly: 1) == [0x78] else { throw .failed("expected the byte back") }
        held.reset()
        let reader = try InternetSocket.connected(to: NetworkLab.machineIPv4, port: 19)
        _ = try reader.receive(exactly: 1000)
        reader.reset()
      }
      try expectEcho(at: NetworkLab.machineIPv4)
      try lab.endMachine()
    },
    networkCase("network-tcp-outward", "the machine connects, sends and receives; what refuses it, it names") {
      lab throws(Verdict) in
      try lab.connect(.direct)
      let listener = try InternetSocket.bound(.stream, to: NetworkLab.neighbourIPv4, port: 1234)
      try listener.listen()
      try lab.bootMachine(
        "send \(NetworkLab.neighbourIPv4) 1234 300000 connect \(NetworkLab.neighbourIPv4) 1235")
      let connection = try listener.accept()
      var stream = ExpectedStream()
      guard try connection.receiveToEnd() == stream.next(300_000) else { throw .failed("the machine sent other bytes") }
      try connection.send("thanks")
      connection.finishWriting()
      var hash = StreamHash()
      hash.add("thanks".utf8)
      try lab.finishMachine().expect(status: 0)
        .expectOutput(containing: "connected").expectOutput(containing: "received 6 \(hash.text)\n")
        .expectOutput(containing: "connect: ").expectOutput(containing: "connection refused")
    },
    networkCase("network-tcp-idle", "2,000 open connections, and each of them still answers") { lab throws(Verdict) in
      linux_raise_descriptor_limit()
      try lab.startMachine("hold 21 echo 7", options: ["--memory", "128M"])
      var held = HeldConnections()
      for _ in 0..<2000 { try held.open(NetworkLab.machineIPv4, port: 21) }
      try expectEcho(at: NetworkLab.machineIPv4)
      try held.expectAnswers()
      try lab.endMachine()
    },
  ]
}

let bothFamilies = [NetworkLab.machineIPv4, NetworkLab.machineIPv6]

/// A short exchange with `echo`.
func expectEcho(at address: String, port: Int = 7) throws(Verdict) {
  let connection = try InternetSocket.connected(to: address, port: port)
  try connection.send("hello")
  connection.finishWriting()
  let answer = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
  guard answer == "hello" else { throw .failed("expected 'hello' back from \(address); got '\(answer)'") }
}

/// Sends so many bytes to `sink`, and expects that it has got them.
func sendBulk(to address: String, port: Int = 9, byteCount: Int) throws(Verdict) {
  let connection = try InternetSocket.connected(to: address, port: port)
  var stream = ExpectedStream()
  var hash = StreamHash()
  var rest = byteCount
  while rest > 0 {
    let bytes = stream.next(min(rest, 1 << 16))
    hash.add(bytes)
    try connection.send(bytes)
    rest -= bytes.count
  }
  connection.finishWriting()
  let answer = String(decoding: try connection.receiveToEnd(), as: UTF8.self)
  guard answer == "\(byteCount) \(hash.text)\n" else {
    throw .failed("expected that '\(byteCount) \(hash.text)' arrived; the sink says '\(answer)'")
  }
}

/// Takes all that `source` sends, and expects so many bytes.
func receiveBulk(from address: String, port: Int = 19, byteCount: Int) throws(Verdict) {
  try expectStream(from: try InternetSocket.connected(to: address, port: port), byteCount: byteCount)
}

func expectStream(from connection: borrowing InternetSocket, byteCount: Int) throws(Verdict) {
  var stream = ExpectedStream()
  var received = 0
  while true {
    let bytes = try connection.receive()
    guard !bytes.isEmpty else { break }
    guard bytes == stream.next(bytes.count) else {
      throw .failed("expected the source's stream; got other bytes between \(received) and \(received + bytes.count)")
    }
    received += bytes.count
  }
  guard received == byteCount else { throw .failed("expected \(byteCount) bytes; got the end after \(received)") }
}
