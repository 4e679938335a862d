import BenchmarkSupport
import CLinux

/// One connection that carries as much as it can, to the guest or from it, and the same between two Linux namespaces.
struct BulkSeries {
  enum Direction {
    case toMachine, fromMachine

    var name: String {
      switch self {
      case .toMachine: "to the machine"
      case .fromMachine: "from the machine"
      }
    }

    var service: Peer.Service {
      switch self {
      case .toMachine: .discard
      case .fromMachine: .flood
      }
    }
  }

  let direction: Direction
  /// Megabytes (10^6 bytes) in a thousand seconds.
  private(set) var guest: [Int] = []
  private(set) var linux: [Int] = []
  /// For each megabyte.
  private(set) var costs = LinkCosts()

  private static let byteCount = 500_000_000

  init(_ direction: Direction, _ lab: Lab) throws(BenchmarkError) {
    self.direction = direction
    let probe = try lab.startProbe("discard 9 flood 19 stop 99")
    let peer = try lab.startPeer(direction.service)
    for round in 0...lab.options.rounds {
      let guest = try Self.measure(direction, .guest), linux = try Self.measure(direction, .linux)
      guard round > 0 else { continue }
      self.guest.append(guest)
      self.linux.append(linux)
    }
    peer.stop()
    try Lab.stopProbe(probe)
    let report = try TemporaryFile([])
    let counted = try lab.startProbe("discard 9 flood 19 stop 99", options: ["--report", report.path])
    _ = try Self.measure(direction, .guest)
    try Lab.stopProbe(counted)
    costs = try LinkCosts(report: report.path, per: Self.byteCount / 1_000_000)
  }

  var ratios: [Int] { zip(guest, linux).map { Ratio($0, to: $1).thousandths } }

  private static func measure(_ direction: Direction, _ side: Lab.Side) throws(BenchmarkError) -> Int {
    var buffer = [UInt8](repeating: 0x55, count: Peer.bufferSize)
    let connection = try Stream.connected(to: side.address, port: direction.service.port)
    let start = Monotonic.now()
    switch direction {
    case .toMachine:
      try connection.send(buffer, total: byteCount)
      shutdown(connection.descriptor, Int32(SHUT_WR))
      // The answer comes when all has.
      let answer = try connection.receiveToEnd()
      guard answer == "\(byteCount)\n" else { throw BenchmarkError("discard took '\(answer)' of \(byteCount) bytes") }
    case .fromMachine:
      guard try connection.drain(&buffer, total: byteCount) >= byteCount else { throw BenchmarkError("flood ended") }
    }
    let nanoseconds = Int(Monotonic.now() - start)
    return byteCount / 1000 * 1_000_000 / max(nanoseconds / 1000, 1)
  }
}
