import Testing

@testable import Network

/// Names that no server is asked about.
extension DNSTests {
  @Test(arguments: ["localhost", "localhost.", "LocalHost", "foo.localhost", "a.b.LOCALHOST."])
  func localhostIsTheLoopback(name: String) {
    let host = Self.host()
    let lookup = host.stack.resolver.lookup(name, at: host.now)
    #expect(lookup.result == .success([.v4(IPv4Address(127, 0, 0, 1)), .v6(IPv6Address("::1")!)]))
    #expect(host.frames().isEmpty)
    // There is no way to it.
    for address in (try? lookup.result?.get()) ?? [] { #expect(host.stack.sourceAddress(for: address) == nil) }
  }

  @Test(arguments: [
    "invalid", "a.invalid.", "x.INVALID", "onion", "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.Onion",
  ])
  func namesThatNeverExistAreNotAskedFor(name: String) {
    let host = Self.host()
    #expect(host.stack.resolver.lookup(name, at: host.now).result == .failure(.nameNotFound))
    #expect(host.frames().isEmpty)
  }

  /// Neither addresses in an old form nor names of hosts.
  @Test(arguments: [
    "1", "1.2.3", "127.1", "0x7f.1", "0x7F000001", "2130706433", "256.1.1.1", "1.2.3.4.5", "010.0.0.1", "1.2.3.4.",
    "a.0x", "a.1",
  ]) func numericNamesAreNotAskedFor(name: String) {
    let host = Self.host()
    #expect(host.stack.resolver.lookup(name, at: host.now).result == .failure(.badName))
    #expect(host.frames().isEmpty)
  }

  @Test(arguments: [
    "localhost.org", "notlocalhost", "invalid.org", "1.org", "3com", "x0x1", "onions", "test", "a.local",
  ])
  func namesThatAreLikeThoseAreAskedFor(name: String) {
    let host = Self.host()
    _ = host.stack.resolver.lookup(name, at: host.now)
    #expect(Self.queries(host).count == 1)
  }

  /// A server cannot send us to another one with such a name.
  @Test func anAliasForTheLoopbackIsNotAskedFor() throws {
    for target in ["localhost", "x.localhost", "a.onion", "invalid"] {
      let host = Self.host()
      let lookup = host.stack.resolver.lookup("a.org", at: host.now)
      Self.answer(
        host, try #require(Self.queries(host).first), [Self.record(Self.questionName, type: 5, Self.name(target))])
      #expect(Self.queries(host).isEmpty)
      #expect(lookup.result == .failure(.nameNotFound))
    }
  }
}
