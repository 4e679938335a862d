import GuestKernel
import MachineABI
import Network

/// What driver and device have agreed on (virtio-1.2 §5.1.3).
struct NetworkFeatures: Equatable {
  let bits: UInt64

  /// - Parameter bits: those agreed on.
  init(_ bits: UInt64) {
    self.bits = bits
  }

  /// The driver's choice: all that it knows, but for what depends on something that is not offered (virtio-1.2 §5.1.3.1).
  init(offered: UInt64) {
    var bits =
      feature(VIRTIO_F_EVENT_IDX) | feature(VIRTIO_NET_F_MAC) | feature(VIRTIO_NET_F_STATUS)
      | feature(VIRTIO_NET_F_CSUM) | feature(VIRTIO_NET_F_GUEST_CSUM) | feature(VIRTIO_NET_F_MRG_RXBUF)
      | feature(VIRTIO_NET_F_MTU)
    if offered & feature(VIRTIO_NET_F_CSUM) != 0 {
      bits |= feature(VIRTIO_NET_F_HOST_TSO4) | feature(VIRTIO_NET_F_HOST_TSO6)
    }
    // Merged segments want buffers of 64 KiB, which ours are only together.
    if offered & feature(VIRTIO_NET_F_GUEST_CSUM) != 0, offered & feature(VIRTIO_NET_F_MRG_RXBUF) != 0 {
      bits |= feature(VIRTIO_NET_F_GUEST_TSO4) | feature(VIRTIO_NET_F_GUEST_TSO6)
    }
    self.bits = offered & bits
  }

  private func has(_ bit: Int32) -> Bool { bits & feature(bit) != 0 }

  var usesEventIndex: Bool { has(VIRTIO_F_EVENT_IDX) }
  /// A frame may be in several receive buffers.
  var mergesBuffers: Bool { has(VIRTIO_NET_F_MRG_RXBUF) }
  /// The device may leave a checksum to the driver that it knows to be right.
  var trustsChecksums: Bool { has(VIRTIO_NET_F_GUEST_CSUM) }
  var hasStatus: Bool { has(VIRTIO_NET_F_STATUS) }

  /// The link as the stack sees it; nil when the device's configuration contradicts itself.
  func capabilities<Page>(_ space: ConfigurationSpace<Page>) -> LinkCapabilities? {
    // Without an address of its own a device leaves it to the driver (virtio-1.2 §5.1.5).
    var address = MACAddress.randomLocal()
    if has(VIRTIO_NET_F_MAC) {
      var value: UInt64 = 0
      for index in 0..<6 { value = value << 8 | UInt64(space.load8(NetworkConfigurationOffset.address + index)) }
      // A group's address, or none, is no interface's (IEEE 802, 8.2.2).
      guard value != 0, value & 0x01 << 40 == 0 else { return nil }
      address = MACAddress(value)
    }
    var mtu = Self.ethernetMTU
    if has(VIRTIO_NET_F_MTU) {
      mtu = Int(space.load16(NetworkConfigurationOffset.mtu))
      guard LinkCapabilities.mtuRange.contains(mtu) else { return nil }
    }
    // What does not fit into one buffer cannot arrive without merging.
    if !mergesBuffers {
      mtu = min(mtu, ReceiveRing.longBufferSize - TransmitRing.headerSize - Self.ethernetHeaderLimit)
    }
    return LinkCapabilities(
      address: address, mtu: mtu, completesChecksums: has(VIRTIO_NET_F_CSUM),
      segmentsIPv4: has(VIRTIO_NET_F_HOST_TSO4), segmentsIPv6: has(VIRTIO_NET_F_HOST_TSO6))
  }

  /// Ethernet's payload (IEEE 802.3, 3.2.7).
  static var ethernetMTU: Int { 1500 }
  /// With a tag (IEEE 802.1Q).
  static var ethernetHeaderLimit: Int { 18 }
}

/// Offsets into the configuration space of a network device (struct virtio_net_config).
enum NetworkConfigurationOffset {
  static var address: Int { 0 }
  static var status: Int { 6 }
  static var mtu: Int { 10 }
}

extension MACAddress {
  /// A random address of the kind that needs no registration (IEEE 802, 8.4: locally administered, individual).
  static func randomLocal() -> MACAddress {
    MACAddress(UInt64.random(in: 0..<1 << 40) | 0x02 << 40)
  }
}
