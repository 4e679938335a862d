import BenchmarkSupport
import CLinux

/// What `net-probe` does in a guest, by Linux's stack: this program in another mode, in the namespace that is measured against.
/// One connection after the other, with calls that wait: the least that a Linux process does.
enum Peer {
  enum Service: String {
    case echo, discard, fill, flood

    var port: Int {
      switch self {
      case .echo: 7
      case .discard: 9
      case .fill: 17
      case .flood: 19
      }
    }
  }

  static let bufferSize = 256 << 10

  static func serve(_ service: Service) throws(BenchmarkError) {
    let listener = try Stream(descriptor: Stream.openSocket())
    listener.set(SOL_SOCKET, SO_REUSEADDR, to: 1)
    let end = try InternetEnd("0.0.0.0", service.port)
    guard end.use({ bind(listener.descriptor, $0, $1) }) == 0, listen(listener.descriptor, 64) == 0 else {
      throw BenchmarkError(call: "listen at \(service.port)")
    }
    var buffer = [UInt8](repeating: 0x2a, count: bufferSize)
    announce()
    while true {
      let connection = Stream(descriptor: accept(listener.descriptor, nil, nil))
      guard connection.descriptor >= 0 else { throw BenchmarkError(call: "accept") }
      connection.set(Int32(IPPROTO_TCP), TCP_NODELAY, to: 1)
      switch service {
      case .echo:
        while true {
          let count = recv(connection.descriptor, &buffer, buffer.count, 0)
          guard count > 0, send(connection.descriptor, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
      case .discard:
        let count = try connection.drain(&buffer, total: .max)
        try connection.send("\(count)\n")
      case .fill: try? connection.send(buffer, total: SetUpSeries.byteCount)
      case .flood: while send(connection.descriptor, buffer, buffer.count, Int32(MSG_NOSIGNAL)) > 0 {}
      }
    }
  }

  private static func announce() {
    var line = "ready\n"
    line.withUTF8 { _ = CLinux.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
  }
}
