import Sockets

/// What is served, each on a port of its own.
enum Server {
  /// Begins to listen for what a word says; ends the machine if it says nothing.
  static func start(_ word: String, _ words: inout Words) async throws(NetworkError) {
    switch word {
    case "echo": try await serve(words.port(), echo)
    case "udp-echo": try await startUDPEcho(words.port())
    case "sink": try await serve(words.port(), sink)
    case "discard": try await serve(words.port(), discard)
    case "source":
      let port = words.port(), count = words.byteCount()
      try await serve(port) { connection throws(NetworkError) in
        try await sendStream(count, to: connection)
      }
    case "fill":
      let port = words.port(), count = words.byteCount()
      try await serve(port) { connection throws(NetworkError) in try await fill(connection, count) }
    case "flood": try await serve(words.port(), flood)
    case "hold": try await serve(words.port(), hold)
    case "stats": try await serve(words.port(), sendStatistics)
    case "stop": try await serve(words.port()) { _ throws(NetworkError) in Kernel.exit(0) }
    default:
      print("net-probe: no such word:", word)
      Kernel.exit(2)
    }
  }

  /// A task for each connection. A connection's failure is its own affair.
  private static func serve(
    _ port: UInt16, _ body: @escaping @Sendable (TCPConnection) async throws(NetworkError) -> Void
  ) async throws(NetworkError) {
    let listener = try await TCPListener(port: port, backlog: 1024)
    Task {
      for await connection in listener.connections {
        Task {
          do throws(NetworkError) {
            try await body(connection)
            connection.close()
          } catch {
            connection.abort()
          }
        }
      }
    }
  }

  private static let bufferSize = 64 << 10

  /// Reads a connection to its end, and gives what is read to `body`.
  static func readAll(
    _ connection: TCPConnection, bufferSize: Int = bufferSize, _ body: (RawSpan) -> Void
  ) async throws(NetworkError) {
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    while true {
      var elements = buffer.mutableSpan
      var span = elements.mutableBytes
      let count = try await connection.read(into: &span)
      guard count > 0 else { return }
      body(buffer.span.bytes.extracting(0..<count))
    }
  }

  private static func echo(_ connection: TCPConnection) async throws(NetworkError) {
    var buffer = [UInt8](repeating: 0, count: bufferSize)
    while true {
      var elements = buffer.mutableSpan
      var span = elements.mutableBytes
      let count = try await connection.read(into: &span)
      guard count > 0 else { return try connection.finishWriting() }
      try await connection.write(buffer.span.bytes.extracting(0..<count))
    }
  }

  private static func sink(_ connection: TCPConnection) async throws(NetworkError) {
    var digest = Digest()
    try await readAll(connection) { digest.add($0) }
    try await connection.write(digest.description + "\n")
  }

  private static func discard(_ connection: TCPConnection) async throws(NetworkError) {
    var byteCount = 0
    try await readAll(connection, bufferSize: 256 << 10) { byteCount += $0.byteCount }
    try await connection.write("\(byteCount)\n")
  }

  /// As `flood`, but with an end: `source` takes longer to make its bytes than TCP takes to send them.
  private static func fill(_ connection: TCPConnection, _ byteCount: Int) async throws(NetworkError) {
    let buffer = [UInt8](repeating: 0x2a, count: 256 << 10)
    var left = byteCount
    while left > 0 {
      let count = min(left, buffer.count)
      try await connection.write(buffer.span.bytes.extracting(0..<count))
      left -= count
    }
  }

  private static func flood(_ connection: TCPConnection) async throws(NetworkError) {
    let buffer = [UInt8](repeating: 0x2a, count: 256 << 10)
    while true { try await connection.write(buffer) }
  }

  /// With as little memory for each connection as there can be.
  private static func hold(_ connection: TCPConnection) async throws(NetworkError) {
    while true {
      let bytes = try await connection.read(upTo: 64)
      guard !bytes.isEmpty else { return }
      try await connection.write(bytes)
    }
  }

  private static func sendStatistics(_ connection: TCPConnection) async throws(NetworkError) {
    try await connection.write(try await statistics())
  }

  private static func startUDPEcho(_ port: UInt16) async throws(NetworkError) {
    let socket = try await UDPSocket(port: port)
    Task {
      do throws(NetworkError) {
        while true {
          let datagram = try await socket.receive()
          do throws(NetworkError) {
            try await socket.send(datagram.payload, to: datagram.source)
          } catch {
            // A datagram that cannot be answered is one that was lost.
            continue
          }
        }
      } catch {
        print(error.description)
      }
    }
  }
}
