import SeededRandom
import Testing

@testable import Network

/// Two stacks and the cable between them, with one clock.
final class Wire {
  /// What the cable's devices do with what is left to them.
  enum Devices {
    /// Nothing is: all frames are complete.
    case plain
    /// Checksums and segments are passed on as they are, as between two guests of one host.
    case passingOffloads
  }

  let a: NetworkStack
  let b: NetworkStack
  private(set) var now = NetworkInstant(nanoseconds: 1_000_000_000)
  private let devices: Devices
  private var random = SeededGenerator(seed: 77)
  /// Of 1,000 frames, how many get lost.
  var lossPerThousand = 0
  var frameCount = 0
  var largestFrame = 0

  static let aLink = MACAddress(0x0200_0000_000a)
  static let bLink = MACAddress(0x0200_0000_000b)

  init(_ devices: Devices = .plain, mtu: Int = 1500, a: NetworkConfiguration, b: NetworkConfiguration) {
    self.devices = devices
    func link(_ address: MACAddress) -> LinkCapabilities {
      let offloads = devices == .passingOffloads
      return LinkCapabilities(
        address: address, mtu: mtu, completesChecksums: offloads, segmentsIPv4: offloads, segmentsIPv6: offloads)
    }
    self.a = NetworkStack(link(Self.aLink), a, seed: (1, 2), at: now)
    self.b = NetworkStack(link(Self.bLink), b, seed: (3, 4), at: now)
  }

  /// 10.0.0.1 and 10.0.0.2, and link-local addresses.
  static func fixed(_ devices: Devices = .plain, mtu: Int = 1500) -> Wire {
    let wire = Wire(
      devices, mtu: mtu,
      a: NetworkConfiguration(ipv4: .fixed(IPv4Address(10, 0, 0, 1), prefixLength: 24, gateway: nil)),
      b: NetworkConfiguration(ipv4: .fixed(IPv4Address(10, 0, 0, 2), prefixLength: 24, gateway: nil)))
    wire.run(milliseconds: 1500)
    return wire
  }

  /// Carries frames until there are none and it is so much later.
  func run(milliseconds: Int, until done: () -> Bool = { false }) {
    let end = now.advanced(byMilliseconds: milliseconds)
    while !done() {
      carry()
      guard let next = earliest(a.deadline, b.deadline), next <= end else { break }
      now = max(now, next)
      a.advance(to: now)
      b.advance(to: now)
    }
    if !done() { now = end }
  }

  private func carry() {
    for _ in 0..<100_000 {
      let moved = carry(from: a, to: b)
      guard carry(from: b, to: a) || moved else { return }
    }
    Issue.record("two stacks that send without end")
  }

  private func carry(from: NetworkStack, to: NetworkStack) -> Bool {
    var moved = false
    var buffer = [UInt8](repeating: 0xee, count: from.frameLimit)
    // A few at a time, as a device's queue has them.
    for _ in 0..<16 where from.hasOutput {
      var span = buffer.mutableSpan
      var bytes = span.mutableBytes
      guard let outgoing = from.transmit(into: &bytes, at: now) else { break }
      moved = true
      frameCount += 1
      largestFrame = max(largestFrame, outgoing.byteCount)
      let frame = Frame(
        bytes: bytes.bytes.extracting(0..<outgoing.byteCount).copy(), checksum: outgoing.checksum,
        segmentation: outgoing.segmentation)
      if frame.bytes.count < 4000 { #expect(frame.fault == nil) }
      if Int.random(in: 0..<1000, using: &random) < lossPerThousand { continue }
      to.receive(frame.bytes.span.bytes, checksumIsValid: frame.checksum != nil, at: now)
    }
    return moved
  }
}
