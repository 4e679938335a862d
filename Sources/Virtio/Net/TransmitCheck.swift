import MachineABI

/// What a driver may say in the header of a frame that it sends (virtio-1.2 §5.1.6.2.1).
///
/// The kernel checks a TAP interface's headers again, against what it finds in the frame; what is checked here is what the
/// specification rules out, and that every offset lies within the frame.
struct TransmitCheck {
  private let allowsChecksum: Bool
  private let allowsIPv4Segments: Bool
  private let allowsIPv6Segments: Bool

  /// - Parameter features: what was negotiated.
  init(features: UInt64) {
    allowsChecksum = features & feature(VIRTIO_NET_F_CSUM) != 0
    allowsIPv4Segments = features & feature(VIRTIO_NET_F_HOST_TSO4) != 0
    allowsIPv6Segments = features & feature(VIRTIO_NET_F_HOST_TSO6) != 0
  }

  /// Whether a frame may go. What its header has to no purpose is gone from it afterwards.
  func accepts(_ header: inout virtio_net_hdr, frameByteCount: Int) -> Bool {
    guard frameByteCount >= NetworkFrame.shortest,
      frameByteCount <= NetworkFrame.packetLimit + NetworkFrame.headerLimit
    else { return false }
    let needsChecksum = header.flags & UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0
    if needsChecksum {
      let field = Int(header.csum_start) + Int(header.csum_offset)
      guard allowsChecksum, Int(header.csum_start) >= NetworkFrame.shortest,
        field + MemoryLayout<UInt16>.size <= frameByteCount
      else { return false }
    } else {
      header.csum_start = 0
      header.csum_offset = 0
    }
    switch Int32(header.gso_type) {
    case VIRTIO_NET_HDR_GSO_NONE:
      header.hdr_len = 0
      header.gso_size = 0
    case VIRTIO_NET_HDR_GSO_TCPV4 where allowsIPv4Segments, VIRTIO_NET_HDR_GSO_TCPV6 where allowsIPv6Segments:
      guard needsChecksum, header.gso_size > 0, Int(header.hdr_len) <= frameByteCount else { return false }
    default: return false
    }
    // "The device MUST ignore flag bits that it does not recognize"; DATA_VALID is not the driver's to set. The number of
    // buffers is for the other direction.
    header.flags &= UInt8(VIRTIO_NET_HDR_F_NEEDS_CSUM)
    header.num_buffers = 0
    return true
  }
}
