import Sockets

/// What is asked of others; each says in a line what came of it.
enum Client: Sendable {
  case connect(host: String, port: UInt16)
  case send(host: String, port: UInt16, byteCount: Int)
  case resolve(name: String)

  /// - Returns: nil: the word is no client's.
  init?(_ word: String, _ words: inout Words) {
    switch word {
    case "connect": self = .connect(host: words.text(), port: words.port())
    case "send": self = .send(host: words.text(), port: words.port(), byteCount: words.byteCount())
    case "resolve": self = .resolve(name: words.text())
    default: return nil
    }
  }

  func run() async {
    switch self {
    case .connect(let host, let port): await exchange("connect", host, port, sending: nil)
    case .send(let host, let port, let byteCount): await exchange("send", host, port, sending: byteCount)
    case .resolve(let name): await resolve(name)
    }
  }

  private func exchange(_ word: String, _ host: String, _ port: UInt16, sending byteCount: Int?) async {
    do throws(NetworkError) {
      let connection = try await TCPConnection.connect(to: host, port: port)
      print("connected", connection.local, connection.remote)
      if let byteCount {
        try await sendStream(byteCount, to: connection)
        try connection.finishWriting()
      }
      var digest = Digest()
      try await Server.readAll(connection) { digest.add($0) }
      print("received", digest)
    } catch {
      print("\(word):", error)
    }
  }

  private func resolve(_ name: String) async {
    do throws(NetworkError) {
      var line = name
      for address in try await Network.resolve(name) { line += " \(address)" }
      print(line)
    } catch {
      print("resolve:", error)
    }
  }
}
