import Sockets

#devices(.network("front"), .network("back"))

/// A machine between two networks: for each connection on a port of "front", one after the other, it connects to HOST by way of
/// "back", and passes on what comes from either side, to the end of both.
///
/// Arguments: `PORT HOST PORT`, besides what configures the networks.
@main
struct NetRelay {
  static func main() async {
    let words = Array(Network.arguments.dropFirst())
    guard words.count == 3, let port = UInt16(words[0]), let hostPort = UInt16(words[2]) else {
      print("net-relay: expected PORT HOST PORT")
      Kernel.exit(2)
    }
    do throws(NetworkError) {
      let back = try await Network.open("back")
      let listener = try await TCPListener(port: port, on: try await Network.open("front"))
      print("ready")
      for await inFront in listener.connections {
        let behind = try await TCPConnection.connect(to: words[1], port: hostPort, on: back)
        let answers = Task { await pass(from: behind, to: inFront) }
        await pass(from: inFront, to: behind)
        await answers.value
        inFront.close()
        behind.close()
      }
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
  }

  /// Until `source` has ended.
  private static func pass(from source: TCPConnection, to destination: TCPConnection) async {
    do throws(NetworkError) {
      while case let bytes = try await source.read(upTo: 32 << 10), !bytes.isEmpty {
        try await destination.write(bytes)
      }
      try destination.finishWriting()
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
  }
}
