/// The interface's IPv4 address and what goes with it.
struct IPv4Binding: Equatable {
  var address: IPv4Address
  /// The addresses that are on this link.
  var prefix: IPv4Prefix
  /// Where packets to all others go; nil: nowhere.
  var gateway: IPv4Address?

  func isBroadcast(_ address: IPv4Address) -> Bool {
    address == .broadcast || address == prefix.broadcast
  }

  /// Whether another host can have the address: a packet with such a source may be what it says.
  func isPossibleSource(_ source: IPv4Address) -> Bool {
    source.isUnicast && source != address && source != prefix.broadcast
  }
}
