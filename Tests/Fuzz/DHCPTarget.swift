@testable import Network

/// Messages of a hostile DHCP server, which knows the client's transaction.
let dhcpTarget = FuzzTarget(name: "dhcp") { bytes in
  var input = FuzzInput(bytes)
  var now = NetworkInstant(nanoseconds: 0)
  let link = FrameBuilder.ownLink
  var client = DHCPClient(link: link, hostname: "fuzz", random: NetworkRandom(seed: (1, 2)), at: now)
  var transaction: [UInt8] = [0, 0, 0, 0]
  var steps = 0
  func perform() {
    for step in client.takeSteps() {
      steps += 1
      switch step {
      case .send(let message, _):
        require(message.count >= 300 && message.count <= 576, "a message's length")
        transaction = Array(message[4..<8])
      case .probe(let address): require(address.isUnicast, "an address that no host can have")
      case .use(let lease?):
        require(lease.binding.address.isUnicast, "an address that no host can have")
        let routes = lease.binding.routes
        for route in routes { require(route.router?.isUnicast ?? true, "a router that no host can have") }
        require(routes.count <= DHCPLimits.routeCount + 1, "too many routes")
        require(
          zip(routes, routes.dropFirst()).allSatisfy { $0.destination.length >= $1.destination.length },
          "the longest prefix first")
        require(lease.nameServers.count <= ResolverLimits.serverCount, "too many name servers")
      case .use(nil): break
      }
    }
  }
  perform()
  while !input.isAtEnd {
    switch input.next(below: 8) {
    case 0:
      // A client that is told nothing but nonsense does not become a flood.
      let before = steps
      for _ in 0..<16 {
        guard let deadline = client.deadline else { break }
        now = max(now, deadline)
        client.advance(to: now)
        perform()
      }
      require(steps <= before + 64, "a flood of messages")
    case 1:
      client.conflict(over: IPv4Address(10, 0, 0, UInt8(input.next(below: 4))), at: now)
      perform()
    default:
      let message = reply(&input, transaction, link)
      client.receive(message.span.bytes, at: now)
      perform()
    }
  }
}

private func reply(_ input: inout FuzzInput, _ transaction: [UInt8], _ link: MACAddress) -> [UInt8] {
  var message = [UInt8](repeating: 0, count: 240)
  var span = message.mutableSpan
  var bytes = span.mutableBytes
  bytes.store(0x0201_0600 as UInt32, at: 0)
  bytes.store(transaction.span.bytes, at: 4)
  bytes.store(IPv4Address(10, 0, 0, UInt8(input.next(below: 4))).value, at: 16)
  bytes.store(link, at: 28)
  bytes.store(0x6382_5363 as UInt32, at: 236)
  // The kind and the server, as without them nothing is looked at; then whatever the input says.
  message += [53, 1, UInt8(input.next(below: 8)), 54, 4, 10, 0, 0, UInt8(input.next(below: 2))]
  for _ in 0..<input.next(below: 8) {
    let option: UInt8 = [1, 3, 6, 15, 26, 51, 52, 58, 59, 121, 255][input.next(below: 11)]
    let value = input.take(input.next(below: option == 121 ? 256 : 16))
    message += [option, UInt8(value.count)] + value
  }
  message += input.take(input.next(below: 64))
  if input.next(below: 8) == 0 { message.removeLast(min(message.count, Int(input.next(UInt8.self)))) }
  return message
}
