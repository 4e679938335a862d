/// A packet of ours that waits to be sent, everything above the IP header. What is longer than the path takes is sent in
/// fragments.
struct OutgoingPacket {
  var source: IPAddress
  var destination: IPAddress
  /// What the payload is: one of `IPProtocol`.
  var number: UInt8
  var hopLimit: UInt8 = IPProtocol.hopLimit
  var payload: [UInt8]
  /// Where in the payload the checksum of UDP belongs, which is not in there yet; nil: there is nothing to do.
  var checksumOffset: Int?
  /// Where to send it without asking for the neighbour's address: answers to the one who asked.
  var link: MACAddress?
  /// How much of the payload has been sent in fragments.
  var sentByteCount = 0
  /// Of the fragments.
  var identification: UInt32 = 0
}

/// Protocol numbers of IPv4 and next headers of IPv6 (IANA's "Assigned Internet Protocol Numbers").
enum IPProtocol {
  static let hopByHop: UInt8 = 0
  static let icmp: UInt8 = 1
  static let tcp: UInt8 = 6
  static let udp: UInt8 = 17
  static let routing: UInt8 = 43
  static let fragment: UInt8 = 44
  static let icmpv6: UInt8 = 58
  static let none: UInt8 = 59
  static let destinationOptions: UInt8 = 60

  /// RFC 1122, 3.2.1.7 leaves the value to the time; 64 is what IANA recommends.
  static let hopLimit: UInt8 = 64
}
