/// What a segment to some destination may be.
public struct TCPPath: Sendable {
  /// The largest IP packet, in bytes.
  public var mtu: Int
  /// Whether the checksum may be left to the device.
  public var completesChecksum: Bool
  /// Whether the device cuts a segment that is too large for the path.
  public var segments: Bool
  /// Where in the frame the TCP header goes.
  public var segmentOffset: Int

  public init(mtu: Int, completesChecksum: Bool, segments: Bool, segmentOffset: Int) {
    self.mtu = mtu
    self.completesChecksum = completesChecksum
    self.segments = segments
    self.segmentOffset = segmentOffset
  }
}

/// A segment that was written, for the IP layer to put its headers in front of.
public struct OutgoingSegment: Sendable {
  public var source: IPAddress
  public var destination: IPAddress
  /// TCP header and data.
  public var byteCount: Int
  /// Whether the checksum field has only the pseudo-header's sum, and the device does the rest.
  public var hasPartialChecksum: Bool
  /// The TCP header with its options.
  public var headerByteCount: Int
  /// The data of each segment that the device is to make of this one; nil: it is to be sent as it is.
  public var segmentByteCount: Int?
}
