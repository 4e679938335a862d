@testable import Network

/// A segment, as one reads or writes it in a test.
struct Segment {
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: TCPFlags
  var window: UInt16
  var options = TCPOptions()
  var data: [UInt8] = []

  /// Reads what was sent.
  init(_ bytes: [UInt8]) {
    let header = TCPHeader(bytes.span.bytes)!
    sequence = header.sequence
    acknowledgement = header.acknowledgement
    flags = header.flags
    window = header.window
    options = header.options
    data = Array(bytes[header.byteCount...])
  }

  init(_ flags: TCPFlags, sequence: UInt32, acknowledgement: UInt32, window: UInt16, data: [UInt8] = []) {
    self.sequence = sequence
    self.acknowledgement = acknowledgement
    self.flags = flags
    self.window = window
    self.data = data
  }

  /// The segment with a right checksum.
  func bytes(from source: SocketAddress, to destination: SocketAddress) -> [UInt8] {
    var header = TCPHeader(
      from: source.port, to: destination.port, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
      window: window)
    header.options = options
    var bytes = [UInt8](repeating: 0, count: TCPHeader.minimumByteCount + options.byteCount) + data
    var elements = bytes.mutableSpan
    var span = elements.mutableBytes
    let byteCount = header.write(to: &span, at: 0)
    _ = OutgoingSegment(
      completing: &span, from: source.address, to: destination.address, headerByteCount: byteCount,
      payloadByteCount: data.count, segmentByteCount: nil, path: ScriptedPeer.ethernet)
    return bytes
  }
}

/// Counts what it is told.
final class CountingObserver: NetworkObserver {
  var count = 0
  func networkDidChange() { count += 1 }
}

/// Has room for so many bytes, and keeps them.
final class KeepingReader: TCPReader {
  var room: Int
  private(set) var bytes: [UInt8] = []

  init(room: Int) { self.room = room }

  func take(_ bytes: RawSpan) -> Int {
    let count = min(room, bytes.byteCount)
    self.bytes += bytes.extracting(first: count).copy()
    room -= count
    return count
  }
}

/// A TCP, and a peer of it that sends what the test says.
final class ScriptedPeer {
  static let ethernet = TCPPath(mtu: 1500, completesChecksum: false, segments: false, segmentOffset: 0)

  let tcp: TCP
  var now = NetworkInstant(nanoseconds: 1_000_000_000)
  /// Of the TCP under test.
  var local = SocketAddress(.v4(IPv4Address(10, 0, 0, 1)), port: 80)
  var remote = SocketAddress(.v4(IPv4Address(10, 0, 0, 2)), port: 5000)
  var path: TCPPath? = ScriptedPeer.ethernet
  /// What the peer offers in its SYN.
  var offer = TCPOptions()
  /// The peer's next sequence number, and what it acknowledges.
  var sequence: UInt32 = 7000
  var acknowledgement: UInt32 = 0
  var window: UInt16 = 65_535
  /// Each segment of the peer has a timestamp, if that was agreed on: its clock.
  var clock: UInt32?
  private var echo: UInt32 = 0

  init(limits: TCPLimits = TCPLimits()) {
    tcp = TCP(seed: (1, 2), limits: limits)
    offer.maximumSegmentByteCount = 1460
  }

  /// Hands a segment in.
  func deliver(_ segment: Segment) {
    var segment = segment
    if let clock { segment.options.timestamp = TCPTimestamp(value: clock, echo: echo) }
    let bytes = segment.bytes(from: remote, to: local)
    tcp.receive(bytes.span.bytes, from: remote.address, to: local.address, checksumIsValid: false, at: now)
  }

  /// A segment at the peer's place, that moves it on.
  func send(_ flags: TCPFlags = .ack, _ data: [UInt8] = [], blocks: [(UInt32, UInt32)] = []) {
    var segment = Segment(
      flags, sequence: sequence, acknowledgement: flags.contains(.ack) ? acknowledgement : 0, window: window, data: data
    )
    if flags.contains(.syn) { segment.options = offer }
    for block in blocks { segment.options.sackBlocks.append(start: block.0, end: block.1) }
    deliver(segment)
    sequence &+= UInt32(data.count) + (flags.isDisjoint(with: [.syn, .fin]) ? 0 : 1)
  }

  /// All that there is to send now.
  func output() -> [Segment] {
    var segments: [Segment] = []
    while let segment = nextOutput() { segments.append(segment) }
    return segments
  }

  func nextOutput() -> Segment? {
    var frame = [UInt8](repeating: 0xee, count: 66_000)
    var elements = frame.mutableSpan
    var span = elements.mutableBytes
    let path = path
    guard let outgoing = tcp.transmit(into: &span, at: now, path: { _ in path }) else { return nil }
    let segment = Segment(Array(frame[0..<outgoing.byteCount]))
    if let timestamp = segment.options.timestamp { echo = timestamp.value }
    return segment
  }

  /// Acknowledges everything up to what a segment has.
  func acknowledge(_ segment: Segment) {
    acknowledgement = segment.sequence &+ UInt32(segment.data.count)
    if !segment.flags.isDisjoint(with: [.syn, .fin]) { acknowledgement &+= 1 }
    send()
  }

  /// Lets time pass, and timers with it.
  func wait(milliseconds: Int) {
    let end = now.advanced(byMilliseconds: milliseconds)
    while let deadline = tcp.deadline, deadline <= end {
      now = max(now, deadline)
      tcp.advance(to: now)
    }
    now = end
  }

  /// A connection that the peer began, established and accepted.
  func accepted(by listener: TCPListenSocket) -> TCPSocket? {
    send(.syn)
    guard let answer = nextOutput() else { return nil }
    if answer.options.timestamp != nil { clock = clock ?? 100 }
    acknowledge(answer)
    return listener.accept()
  }

  /// The same, with a listener of its own.
  func established() -> TCPSocket {
    let listener = try! tcp.listen(on: nil, port: local.port, backlog: 8)
    return accepted(by: listener)!
  }
}

extension TCPSocket {
  func write(_ bytes: [UInt8], at now: NetworkInstant) -> Int { write(bytes.span.bytes, at: now) }

  func read(upTo count: Int = 1 << 21, at now: NetworkInstant) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: min(count, readableByteCount))
    var elements = bytes.mutableSpan
    var span = elements.mutableBytes
    let count = read(into: &span, at: now)
    return Array(bytes[0..<count])
  }
}
