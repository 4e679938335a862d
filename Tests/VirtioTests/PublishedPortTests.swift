import CLinux
import KVM
import Testing

@testable import Virtio

/// Ports of the host's that passt is to listen on, and others have.
@Suite struct PublishedPortTests {
  /// A bound socket, and the port that it got.
  private struct Bound: ~Copyable {
    let descriptor: FileDescriptor
    let port: UInt16

    init(_ kind: __socket_type, listens: Bool) throws {
      let descriptor = FileDescriptor(owning: socket(AF_INET, Int32(kind.rawValue), 0))
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
      var count = socklen_t(MemoryLayout<sockaddr_in>.size)
      let number = descriptor.rawValue
      try withUnsafeMutablePointer(to: &address) { pointer in
        try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = try valueOrErrno("bind", bind(number, $0, count))
          _ = try valueOrErrno("getsockname", getsockname(number, $0, &count))
        }
      }
      if listens { _ = try valueOrErrno("listen", listen(number, 1)) }
      port = UInt16(bigEndian: address.sin_port)
      self.descriptor = descriptor
    }
  }

  private func refusal(_ forwarding: PasstOptions.Forwarding, besides others: [PasstOptions.Forwarding] = []) -> String?
  {
    do throws(NetworkBackendError) {
      try forwarding.expectFree(besides: others)
      return nil
    } catch {
      return error.description
    }
  }

  private func inUse(_ port: String) -> String {
    "port \(port) of the host: Address already in use; expected one that this user may listen on and nobody does"
  }

  @Test func aPortThatSomebodyListensOnIsRefused() throws {
    let other = try Bound(SOCK_STREAM, listens: true)
    let port = other.port
    #expect(refusal(.init(hostPort: port, guestPort: 80)) == inUse("\(port)/tcp"))
    #expect(
      refusal(.init(hostAddress: "127.0.0.1", hostPort: port, guestPort: 80)) == inUse("127.0.0.1:\(port)/tcp"))
    // The other protocol's, and another address's, are others.
    #expect(refusal(.init(isUDP: true, hostPort: port, guestPort: 80)) == nil)
    #expect(refusal(.init(hostAddress: "127.0.0.2", hostPort: port, guestPort: 80)) == nil)
    _ = consume other
    #expect(refusal(.init(hostPort: port, guestPort: 80)) == nil)
  }

  @Test func aPortOfUDPThatSomebodyHasIsRefused() throws {
    let other = try Bound(SOCK_DGRAM, listens: false)
    let port = other.port
    #expect(refusal(.init(isUDP: true, hostPort: port, guestPort: 53)) == inUse("\(port)/udp"))
    _ = consume other
  }

  @Test func anAddressThatTheHostDoesNotHaveIsRefused() {
    let text = refusal(.init(hostAddress: "192.0.2.77", hostPort: 8080, guestPort: 80))
    #expect(text?.hasPrefix("port 192.0.2.77:8080/tcp of the host: Cannot assign requested address;") == true)
    #expect(
      refusal(.init(hostAddress: "web", hostPort: 8080, guestPort: 80))
        == "port web:8080/tcp of the host: Invalid argument; expected one that this user may listen on and nobody does")
  }

  @Test func aPortIsPublishedOnce() throws {
    let one = PasstOptions.Forwarding(hostAddress: "127.0.0.1", hostPort: 40_000, guestPort: 80)
    let everywhere = PasstOptions.Forwarding(hostPort: 40_000, guestPort: 81)
    let twice = "port 40000/tcp of the host is published twice; expected one --publish for each port"
    #expect(refusal(everywhere, besides: [one]) == twice)
    #expect(refusal(.init(hostAddress: "127.0.0.2", hostPort: 40_000, guestPort: 80), besides: [one]) == nil)
    #expect(refusal(.init(isUDP: true, hostPort: 40_000, guestPort: 80), besides: [one, everywhere]) == nil)
  }
}
