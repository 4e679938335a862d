/// A message of the Address Resolution Protocol (RFC 826) about IPv4 on Ethernet.
struct ARPMessage: Equatable {
  enum Operation: UInt16 {
    case request = 1
    case reply = 2
  }

  var operation: Operation
  var senderLink: MACAddress
  var sender: IPv4Address
  var targetLink: MACAddress
  var target: IPv4Address

  static let byteCount = 28
  private static let hardwareEthernet: UInt16 = 1

  init(
    _ operation: Operation, from sender: IPv4Address, at senderLink: MACAddress, to target: IPv4Address,
    at targetLink: MACAddress = MACAddress(0)
  ) {
    self.operation = operation
    self.senderLink = senderLink
    self.sender = sender
    self.targetLink = targetLink
    self.target = target
  }

  /// nil: not about IPv4 on Ethernet, or from a sender that cannot be.
  init?(_ packet: RawSpan) {
    guard packet.byteCount >= Self.byteCount, packet.load(0) == Self.hardwareEthernet,
      packet.load(2) == EthernetHeader.typeIPv4, packet[4] == UInt8(MACAddress.byteCount), packet[5] == 4,
      let operation = Operation(rawValue: packet.load(6))
    else { return nil }
    self.operation = operation
    senderLink = MACAddress(packet, at: 8)
    sender = IPv4Address(packet.load(14))
    targetLink = MACAddress(packet, at: 18)
    target = IPv4Address(packet.load(24))
    // A group has no one address, so a table that believed this would send a neighbour's packets to everybody.
    guard !senderLink.isGroup, senderLink.value != 0 else { return nil }
  }

  func store(in frame: inout MutableRawSpan, at offset: Int) {
    frame.store(Self.hardwareEthernet, at: offset)
    frame.store(EthernetHeader.typeIPv4, at: offset + 2)
    frame.store(UInt8(MACAddress.byteCount), at: offset + 4)
    frame.store(4 as UInt8, at: offset + 5)
    frame.store(operation.rawValue, at: offset + 6)
    frame.store(senderLink, at: offset + 8)
    frame.store(sender.value, at: offset + 14)
    frame.store(targetLink, at: offset + 18)
    frame.store(target.value, at: offset + 24)
  }
}
