import SeededRandom

@testable import Network

/// Two TCPs and a network between them that loses, repeats, delays and damages what they send, the same for the same seed.
final class NetworkSimulator {
  struct Faults {
    /// Of a thousand segments.
    var lost = 0
    var repeated = 0
    var damaged = 0
    /// Delayed beyond others: reordered.
    var delayed = 0
    /// One way, in microseconds.
    var latency = 1000
    var delay = 20_000
  }

  private struct Packet {
    var arrival: NetworkInstant
    var order: Int
    var to: Int
    var bytes: [UInt8]
  }

  var now = NetworkInstant(nanoseconds: 5_000_000_000)
  let ends: [TCP]
  let addresses: [IPAddress]
  var path = ScriptedPeer.ethernet
  /// Each end may have its own; what the device below would cut and complete is cut and completed here.
  var segments = [false, false]
  var faults: Faults
  var generator: SeededGenerator
  private(set) var packetCount = 0
  private var packets: [Packet] = []
  /// Segments larger than this vanish without a word.
  var blackHoleByteCount = Int.max

  /// - Parameters:
  ///   - limits: of both ends,
  ///   - secondLimits: but for the second, if it has others.
  init(
    seed: UInt64, faults: Faults, limits: TCPLimits = TCPLimits(), secondLimits: TCPLimits? = nil, isIPv4: Bool = true
  ) {
    generator = SeededGenerator(seed: seed)
    self.faults = faults
    ends = [TCP(seed: (seed, 1), limits: limits), TCP(seed: (seed, 2), limits: secondLimits ?? limits)]
    addresses =
      isIPv4
      ? [.v4(IPv4Address(10, 0, 0, 1)), .v4(IPv4Address(10, 0, 0, 2))]
      : [.v6(IPv6Address(high: 0xfd00 << 48, low: 1)), .v6(IPv6Address(high: 0xfd00 << 48, low: 2))]
  }

  /// Takes what both ends send, and moves on to the next thing that happens.
  ///
  /// - Returns: false when nothing will happen any more.
  func step() -> Bool {
    for end in 0..<2 { collect(from: end) }
    var next = packets.first?.arrival
    for end in ends {
      if let deadline = end.deadline { next = next.map { min($0, deadline) } ?? deadline }
    }
    guard let next else { return false }
    now = max(now, next)
    while let packet = packets.first, packet.arrival <= now {
      packets.removeFirst()
      ends[packet.to].receive(
        packet.bytes.span.bytes, from: addresses[1 - packet.to], to: addresses[packet.to], checksumIsValid: false,
        at: now)
    }
    for end in ends { end.advance(to: now) }
    return true
  }

  private func collect(from end: Int) {
    var path = path
    path.segments = segments[end]
    path.completesChecksum = segments[end]
    var frame = [UInt8](repeating: 0, count: 66_000)
    while true {
      var elements = frame.mutableSpan
      var span = elements.mutableBytes
      guard let outgoing = ends[end].transmit(into: &span, at: now, path: { _ in path }) else { return }
      for segment in Self.cut(Array(frame[0..<outgoing.byteCount]), outgoing) { deliver(segment, to: 1 - end) }
    }
  }

  /// What a device with segmentation and checksum offload does.
  private static func cut(_ bytes: [UInt8], _ outgoing: OutgoingSegment) -> [[UInt8]] {
    guard outgoing.hasPartialChecksum else { return [bytes] }
    let header = TCPHeader(bytes.span.bytes)!
    let data = Array(bytes[header.byteCount...])
    let size = outgoing.segmentByteCount ?? max(1, data.count)
    return stride(from: 0, to: max(1, data.count), by: size).map { offset in
      let isLast = offset + size >= data.count
      var segment = Segment(
        isLast ? header.flags : header.flags.subtracting([.fin, .psh]),
        sequence: header.sequence &+ UInt32(offset), acknowledgement: header.acknowledgement, window: header.window,
        data: Array(data[offset..<min(offset + size, data.count)]))
      segment.options = header.options
      return segment.bytes(
        from: SocketAddress(outgoing.source, port: header.sourcePort),
        to: SocketAddress(outgoing.destination, port: header.destinationPort))
    }
  }

  private func happens(_ thousandths: Int) -> Bool { Int.random(in: 0..<1000, using: &generator) < thousandths }

  private func deliver(_ bytes: [UInt8], to end: Int) {
    guard !happens(faults.lost), bytes.count <= blackHoleByteCount else { return }
    for _ in 0..<(happens(faults.repeated) ? 2 : 1) {
      var bytes = bytes
      if happens(faults.damaged) {
        let bit = Int.random(in: 0..<(bytes.count * 8), using: &generator)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      }
      var microseconds = faults.latency
      if happens(faults.delayed) { microseconds += Int.random(in: 0...faults.delay, using: &generator) }
      packetCount += 1
      let packet = Packet(
        arrival: now + UInt64(microseconds) * 1000, order: packetCount, to: end, bytes: bytes)
      // In order of arrival, and of sending among those.
      var index = packets.count
      while index > 0, packets[index - 1].arrival > packet.arrival { index -= 1 }
      packets.insert(packet, at: index)
    }
  }
}

/// One end's application: writes its bytes and reads the peer's, in pieces of any size.
struct SimulatedApplication {
  let socket: TCPSocket
  let toWrite: [UInt8]
  var written = 0
  var received: [UInt8] = []
  var isFinished = false
  /// Memory that it waits with, now and then.
  private var reader: KeepingReader?

  init(_ socket: TCPSocket, toWrite: [UInt8]) {
    self.socket = socket
    self.toWrite = toWrite
  }

  mutating func run(_ generator: inout SeededGenerator, at now: NetworkInstant) {
    if let reader {
      socket.reader = nil
      received += reader.bytes
      self.reader = nil
    }
    if Int.random(in: 0..<4, using: &generator) > 0 {
      received += socket.read(upTo: Int.random(in: 1...40_000, using: &generator), at: now)
    }
    if written < toWrite.count {
      let end = min(toWrite.count, written + Int.random(in: 1...20_000, using: &generator))
      written += socket.write(Array(toWrite[written..<end]), at: now)
    } else if !isFinished {
      isFinished = true
      socket.finishWriting(at: now)
    }
    if socket.readableByteCount == 0, Bool.random(using: &generator) {
      reader = KeepingReader(room: Int.random(in: 0...5000, using: &generator))
      socket.reader = reader
    }
  }

  /// Everything was said and heard.
  var isDone: Bool {
    isFinished && socket.isEndOfStream && socket.isEverythingAcknowledged && (reader?.bytes.isEmpty ?? true)
  }
}
