/// A segment without data that no socket sends: an answer to one that belongs to no connection, to a handshake that is not
/// complete, or to a connection in TIME-WAIT.
struct TCPReply {
  var local: SocketAddress
  var remote: SocketAddress
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: TCPFlags
  /// Not scaled.
  var window: UInt16 = 0
  var timestamp: TCPTimestamp?
  /// Of a SYN+ACK.
  var windowScale: UInt8?
  /// Of a SYN+ACK.
  var permitsSACK = false
}

extension TCPReply {
  /// The RST that answers a segment for which there is no connection (RFC 9293, 3.10.7.1).
  init(refusing header: TCPHeader, payloadByteCount: Int, local: SocketAddress, remote: SocketAddress) {
    if header.flags.contains(.ack) {
      self.init(
        local: local, remote: remote, sequence: header.acknowledgement, acknowledgement: 0, flags: .rst)
    } else {
      let length = payloadByteCount + (header.flags.contains(.syn) ? 1 : 0) + (header.flags.contains(.fin) ? 1 : 0)
      self.init(
        local: local, remote: remote, sequence: 0,
        acknowledgement: header.sequence &+ UInt32(truncatingIfNeeded: length), flags: [.rst, .ack])
    }
  }

  /// Writes it as a segment.
  func write(to frame: inout MutableRawSpan, path: TCPPath) -> OutgoingSegment {
    var header = TCPHeader(
      from: local.port, to: remote.port, sequence: sequence, acknowledgement: acknowledgement, flags: flags,
      window: window)
    header.options.timestamp = timestamp
    if flags.contains(.syn) {
      header.options.maximumSegmentByteCount = path.maximumSegmentByteCount(to: remote.address)
      header.options.windowScale = windowScale
      header.options.permitsSACK = permitsSACK
    }
    let byteCount = header.write(to: &frame, at: path.segmentOffset)
    return OutgoingSegment(
      completing: &frame, from: local.address, to: remote.address, headerByteCount: byteCount, payloadByteCount: 0,
      segmentByteCount: nil, path: path)
  }
}
