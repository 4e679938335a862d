@testable import Network

/// Answers of a hostile name server, which has the question: the header and records are the input's.
let dnsTarget = FuzzTarget(name: "dns") { bytes in
  var input = FuzzInput(bytes)
  var random = NetworkRandom(seed: (1, 2))
  guard let name = DNSName("www.example.org") else { return }
  let type: DNSMessage.RecordType = input.flag() ? .a : .aaaa
  let query = DNSMessage.query(id: 0x1234, name, type, random: &random)
  var message = query
  // Mostly a good answer.
  let flags: UInt16 = input.next(below: 4) == 0 ? input.next() : 0x8180
  message[2] = UInt8(flags >> 8)
  message[3] = UInt8(truncatingIfNeeded: flags)
  message[7] = input.next()
  while !input.isAtEnd {
    switch input.next(below: 8) {
    case 0: message += input.take(input.next(below: 64))
    case 1: message += [0xc0 | UInt8(input.next(below: 2)), input.next()]
    case 2, 3: message += [0xc0, 12, 0, UInt8(type.rawValue), 0, 1, 0, 0, 0, 60, 0, type == .a ? 4 : 16]
    case 4: message += [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, UInt8(input.next(below: 32))]
    case 5: message += [UInt8(input.next(below: 64))] + input.take(input.next(below: 64))
    case 6: message += [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]
    default: message.append(input.next())
    }
    guard message.count < 65_536 else { break }
  }
  // As a server that loses the case of letters has it.
  if input.flag() { for index in 12..<query.count - 4 { message[index] = DNSName.lowerCase(message[index]) } }
  switch DNSMessage.answer(message.span.bytes, to: query.span.bytes, name, type, isOverTCP: input.flag()) {
  case .addresses(let addresses, _):
    require(addresses.count <= ResolverLimits.addressCount, "too many addresses")
    for address in addresses { require(address.isIPv6 == (type == .aaaa), "an address of the other family") }
  case .alias(let target, let steps):
    require((1...DNSName.byteCount).contains(target.bytes.count) && target.bytes.last == 0, "a name's length")
    require((1...ResolverLimits.aliasCount).contains(steps), "too many aliases")
  default: break
  }
  for start in 0..<min(message.count, 64) {
    guard let (name, end) = DNSMessage.name(in: message.span.bytes, at: start) else { continue }
    require(name.bytes.count <= DNSName.byteCount && end > start && end <= message.count, "a name's end")
  }
}
