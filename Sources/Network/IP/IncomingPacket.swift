/// What the IP layer says of a packet to the layer above.
struct IncomingPacket {
  var source: IPAddress
  var destination: IPAddress
  /// What the payload is: one of `IPProtocol`.
  var number: UInt8
  var hopLimit: UInt8
  /// Whether it was sent to several hosts, on the link or by its IP address. Errors do not answer such packets.
  var isToGroup: Bool
  /// Whether it was put together of fragments.
  var isReassembled = false
  /// Who sent the frame.
  var link: MACAddress
  /// Whether the device vouches for the checksum of TCP and UDP.
  var checksumIsValid: Bool
}
