/// A frame that `NetworkStack.transmit` wrote, and what is left to the device.
public struct OutgoingFrame: Equatable, Sendable {
  /// From the start of the buffer, with the Ethernet header.
  public var byteCount: Int
  /// nil: the frame is complete.
  public var checksum: PartialChecksum?
  /// nil: the frame is sent as it is. Otherwise `checksum` is there as well.
  public var segmentation: Segmentation?
}

/// A checksum that the device completes: the field has the pseudo-header's sum, and the bytes from `start` to the frame's
/// end are to be added (virtio-1.2, 5.1.6.2).
public struct PartialChecksum: Equatable, Sendable {
  /// From the start of the frame (`csum_start`).
  public var start: Int
  /// Of the field, from `start` (`csum_offset`).
  public var offset: Int
}

/// How the device cuts a frame into TCP segments (virtio-1.2, 5.1.6.2).
public struct Segmentation: Equatable, Sendable {
  public var isIPv6: Bool
  /// Ethernet, IP and TCP headers, which each segment gets (`hdr_len`).
  public var headerByteCount: Int
  /// TCP payload per segment (`gso_size`).
  public var segmentByteCount: Int
}
