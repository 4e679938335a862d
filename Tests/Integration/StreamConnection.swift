/// A connection to a machine: by the host's TCP, or by this program's own.
protocol StreamConnection: ~Copyable {
  /// Sends all of it.
  func send(_ bytes: [UInt8]) throws(Verdict)

  /// What has come, at least a byte; empty at the end.
  func receiveSome() throws(Verdict) -> [UInt8]
}

extension StreamConnection where Self: ~Copyable {
  /// All to the end.
  func receiveToEnd() throws(Verdict) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let more = try receiveSome()
      guard !more.isEmpty else { return bytes }
      bytes += more
    }
  }
}

extension InternetSocket: StreamConnection {
  func receiveSome() throws(Verdict) -> [UInt8] { try receive() }
}
