import Network
import Synchronization

@testable import GuestKernel
@testable import Sockets

/// Two hosts with a wire between them: a.local is 10.0.0.1, b.local is 10.0.0.2.
///
/// What a host sends is kept, and delivered by a task that has nothing else to do; so no host is ever called from
/// within the other.
final class FakeLink: Sendable {
  let a: Sockets.Network
  let b: Sockets.Network
  private let wire = Mutex<[(toB: Bool, frame: [UInt8])]>([])
  private let isCut = Mutex(false)
  private let hasEnded = Mutex(false)

  init() {
    a = Self.host(1)
    b = Self.host(2)
    connect(a.interface, toB: true)
    connect(b.interface, toB: false)
  }

  private static func host(_ number: UInt8) -> Sockets.Network {
    let stack = NetworkStack(
      // Segments go over the wire as they are, and nothing on it spoils them.
      LinkCapabilities(
        address: MACAddress(0x0200_0000_0000 + UInt64(number)), completesChecksums: true, segmentsIPv4: true),
      NetworkConfiguration(
        ipv4: .fixed(IPv4Address(10, 0, 0, number), prefixLength: 24, gateway: nil), ipv6: .none),
      seed: (UInt64(number), 2), at: NetworkInstant(nanoseconds: monotonicNanoseconds()))
    return Sockets.Network(NetworkInterface(name: "net\(number)", stack: stack), NetworkLink(), next: nil)
  }

  private func connect(_ interface: NetworkInterface, toB: Bool) {
    interface.flush = { [unowned self, unowned interface] in
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: interface.frameLimit, alignment: 1)
      defer { room.deallocate() }
      while true {
        var span = room.mutableBytes
        guard let frame = interface.transmit(into: &span) else { return }
        wire.withLock { $0.append((toB, Array(room[..<frame.byteCount]))) }
      }
    }
  }

  /// From now on nothing arrives.
  func cut() { isCut.withLock { $0 = true } }

  /// Runs `body` while frames are delivered.
  static func with(_ body: (FakeLink) async throws -> Void) async throws {
    let link = FakeLink()
    let pump = Task {
      while !link.hasEnded.withLock({ $0 }) {
        link.deliver()
        await Task.yield()
      }
    }
    do {
      try await body(link)
    } catch {
      link.hasEnded.withLock { $0 = true }
      await pump.value
      throw error
    }
    link.hasEnded.withLock { $0 = true }
    await pump.value
  }

  private func deliver() {
    let frames = wire.withLock { wire in
      defer { wire = [] }
      return wire
    }
    for (interface, isB) in [(a.interface, false), (b.interface, true)] {
      interface.lock()
      interface.advance()
      for (toB, frame) in frames where toB == isB && !isCut.withLock({ $0 }) {
        interface.receive(frame.span.bytes, checksumIsValid: true)
      }
      interface.unlock()
    }
  }

  static var addressOfB: IPAddress { .v4(IPv4Address(10, 0, 0, 2)) }
}
