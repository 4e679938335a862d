/// The interface's IPv4 address and what goes with it.
struct IPv4Binding: Equatable {
  let address: IPv4Address
  /// The addresses that are on this link.
  let prefix: IPv4Prefix
  /// To other networks, the longest prefix first.
  private(set) var routes: [IPv4Route] = []

  /// - Parameter routes: of two to the same network the first counts. A route by a router that no other host can be is left
  ///   out. The router need not be in the interface's own network: it is on this link, or nothing reaches it.
  init(address: IPv4Address, prefix: IPv4Prefix, routes: [IPv4Route] = []) {
    self.address = address
    self.prefix = prefix
    for route in routes where route.router.map(isPossibleSource) ?? true {
      guard !self.routes.contains(where: { $0.destination == route.destination }) else { continue }
      let position = self.routes.firstIndex { $0.destination.length < route.destination.length }
      self.routes.insert(route, at: position ?? self.routes.endIndex)
    }
  }

  /// The neighbour to whom a packet to another host goes; nil: there is no way. The longest prefix counts, of equals the
  /// interface's own.
  func nextHop(to destination: IPv4Address) -> IPv4Address? {
    let route = routes.first { $0.destination.contains(destination) }
    if prefix.contains(destination), prefix.length >= route?.destination.length ?? 0 { return destination }
    return route.map { $0.router ?? destination }
  }

  func isBroadcast(_ address: IPv4Address) -> Bool {
    address == .broadcast || address == prefix.broadcast
  }

  /// Whether another host can have the address: a packet with such a source may be what it says.
  func isPossibleSource(_ source: IPv4Address) -> Bool {
    source.isUnicast && source != address && source != prefix.broadcast
  }
}
