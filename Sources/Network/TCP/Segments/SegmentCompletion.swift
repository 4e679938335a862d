extension TCPPath {
  /// The IP header, without options or extension headers.
  static func internetHeaderByteCount(to address: IPAddress) -> Int { address.isIPv4 ? 20 : 40 }

  /// What the MSS option says (RFC 9293, 3.7.1; RFC 6691): without any options.
  func maximumSegmentByteCount(to address: IPAddress) -> UInt16 {
    let count = mtu - Self.internetHeaderByteCount(to: address) - TCPHeader.minimumByteCount
    return UInt16(clamping: count)
  }
}

extension OutgoingSegment {
  /// Writes the checksum, or what the device needs for it, of a segment that is written but for that.
  init(
    completing frame: inout MutableRawSpan, from source: IPAddress, to destination: IPAddress, headerByteCount: Int,
    payloadByteCount: Int, segmentByteCount: Int?, path: TCPPath
  ) {
    let byteCount = headerByteCount + payloadByteCount
    var checksum = InternetChecksum()
    checksum.addPseudoHeader(from: source, to: destination, protocol: TCPHeader.protocolNumber, length: byteCount)
    let field: UInt16
    if path.completesChecksum {
      field = checksum.partial
    } else {
      checksum.add(frame.bytes.extracting(path.segmentOffset..<(path.segmentOffset + byteCount)))
      field = checksum.value
    }
    frame.store(field, at: path.segmentOffset + TCPHeader.checksumOffset)
    self.init(
      source: source, destination: destination, byteCount: byteCount, hasPartialChecksum: path.completesChecksum,
      headerByteCount: headerByteCount, segmentByteCount: segmentByteCount)
  }
}
