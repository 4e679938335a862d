extension NetworkStack {
  /// Tells routers and switches to what groups we listen (RFC 3810, 5.2): the solicited-node groups of our addresses, without
  /// which a switch that looks at these reports would keep questions for our addresses from us.
  ///
  /// One state report for all, whatever has changed: there is nobody whose sources we choose.
  func reportGroups() {
    guard let ipv6 else { return }
    var groups: [IPv6Address] = []
    for address in ipv6.addresses where address.state != .duplicate && !groups.contains(address.address.solicitedNode) {
      groups.append(address.address.solicitedNode)
    }
    guard !groups.isEmpty else { return }
    var body = [UInt8](repeating: 0, count: groups.count * Self.recordByteCount)
    var span = body.mutableSpan
    var bytes = span.mutableBytes
    for (index, group) in groups.enumerated() {
      bytes.store(Self.changeToExclude, at: index * Self.recordByteCount)
      bytes.store(group, at: index * Self.recordByteCount + 4)
    }
    let source = ipv6.linkLocal ?? .any
    let destination = IPv6Address.allMulticastRouters
    let message = ICMPMessage.make(
      type: ICMPMessage.V6.multicastReport, rest: UInt32(groups.count), body: bytes.bytes, from: .v6(source),
      to: .v6(destination))
    enqueue(
      OutgoingPacket(
        source: .v6(source), destination: .v6(destination), number: IPProtocol.hopByHop, hopLimit: 1,
        payload: Self.routerAlert + message, link: MACAddress(multicast: destination)))
  }

  /// A router asks who listens to what (RFC 3810, 6.2): the answer comes within the time that it gives, at random, so that
  /// not all answers come at once.
  func receiveMulticastQuery(_ message: RawSpan, _ info: IncomingPacket, at now: NetworkInstant) {
    guard case .v6(let source) = info.source, source.isLinkLocal, info.hopLimit == 1, ipv6 != nil,
      message.byteCount >= 24
    else { return }
    let delay = min(Int(message.load(4, as: UInt16.self)), Self.longestDelayMilliseconds)
    let due = now.advanced(byMilliseconds: Int.random(in: 0...delay, using: &random))
    let report = earliest(ipv6?.report, due)
    ipv6?.report = report
  }

  /// RFC 3810, 5.2.12: CHANGE_TO_EXCLUDE_MODE without sources: everything to the group.
  private static let changeToExclude: UInt8 = 4
  /// RFC 3810, 5.2: a record without sources.
  private static let recordByteCount = 20
  /// RFC 3810, 9.3: the default of a query's response interval.
  private static let longestDelayMilliseconds = 10_000
  /// Hop-by-hop options in front of ICMPv6: Router Alert with the value for multicast (RFC 2711, 2.1), and padding.
  private static let routerAlert: [UInt8] = [IPProtocol.icmpv6, 0, 5, 2, 0, 0, 1, 0]
}
