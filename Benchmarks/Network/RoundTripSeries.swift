import BenchmarkSupport
import CLinux

/// A question and its answer, one after the other: ping, and one byte to `echo` and back.
struct RoundTripSeries {
  enum Kind {
    case ping, byte

    var name: String {
      switch self {
      case .ping: "ping"
      case .byte: "1 byte over TCP"
      }
    }
  }

  struct Measurement {
    /// Nanoseconds.
    let p50: Int
    let p99: Int
  }

  let kind: Kind
  private(set) var guest: [Measurement] = []
  private(set) var linux: [Measurement] = []

  private static let count = 2000

  init(_ kind: Kind, _ lab: Lab) throws(BenchmarkError) {
    self.kind = kind
    let probe = try lab.startProbe("echo 7 stop 99")
    let peer = try lab.startPeer(.echo)
    for round in 0...lab.options.rounds {
      let guest = try Self.measure(kind, .guest), linux = try Self.measure(kind, .linux)
      guard round > 0 else { continue }
      self.guest.append(guest)
      self.linux.append(linux)
    }
    peer.stop()
    try Lab.stopProbe(probe)
  }

  var ratios: [Int] { zip(guest, linux).map { Ratio($0.p50, to: $1.p50).thousandths } }

  private static func measure(_ kind: Kind, _ side: Lab.Side) throws(BenchmarkError) -> Measurement {
    var times: [Int] = []
    times.reserveCapacity(count)
    switch kind {
    case .byte:
      let connection = try Stream.connected(to: side.address, port: Peer.Service.echo.port)
      var byte: UInt8 = 1
      for _ in 0..<count {
        let start = Monotonic.now()
        guard send(connection.descriptor, &byte, 1, Int32(MSG_NOSIGNAL)) == 1,
          recv(connection.descriptor, &byte, 1, 0) == 1
        else { throw BenchmarkError(call: "echo") }
        times.append(Int(Monotonic.now() - start))
      }
    case .ping:
      let socket = try EchoSocket(side.address)
      for number in 0..<count { times.append(try socket.roundTrip(UInt16(truncatingIfNeeded: number))) }
    }
    return Measurement(p50: times.median, p99: times.percentile(99))
  }
}

/// A raw socket for ICMP echo (RFC 792).
private struct EchoSocket: ~Copyable {
  private let descriptor: Int32

  init(_ address: String) throws(BenchmarkError) {
    let end = try InternetEnd(address, 0)
    let made = socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_ICMP))
    guard made >= 0, end.use({ connect(made, $0, $1) }) == 0 else { throw BenchmarkError(call: "a raw socket") }
    descriptor = made
  }

  deinit {
    close(descriptor)
  }

  /// Sends a request with 56 bytes of data, as ping does, and waits for its reply.
  func roundTrip(_ number: UInt16) throws(BenchmarkError) -> Int {
    // Type 8, code 0, checksum, identifier, sequence number.
    var packet = [UInt8](repeating: 0, count: 64)
    packet[0] = 8
    packet[6] = UInt8(number >> 8)
    packet[7] = UInt8(number & 0xff)
    var sum = 0
    for index in stride(from: 0, to: packet.count, by: 2) { sum += Int(packet[index]) << 8 | Int(packet[index + 1]) }
    sum = ~((sum & 0xffff) + (sum >> 16))
    packet[2] = UInt8(truncatingIfNeeded: sum >> 8)
    packet[3] = UInt8(truncatingIfNeeded: sum)
    var answer = [UInt8](repeating: 0, count: 128)
    let start = Monotonic.now()
    guard send(descriptor, packet, packet.count, 0) == packet.count else { throw BenchmarkError(call: "send an echo") }
    while true {
      let count = recv(descriptor, &answer, answer.count, 0)
      guard count > 0 else { throw BenchmarkError(call: "receive an echo") }
      // Behind an IP header without options: type 0, and the request's number.
      if count >= 28, answer[20] == 0, answer[26] == packet[6], answer[27] == packet[7] { break }
    }
    return Int(Monotonic.now() - start)
  }
}
