import Sockets

#devices(.network("net"))

/// Does with the network what its arguments say, all of it at the same time; for the tests and benchmarks that are on the
/// other end.
///
/// Servers: `echo PORT`, `udp-echo PORT`, `sink PORT`, `discard PORT`, `source PORT BYTES`, `fill PORT BYTES`, `flood PORT`,
/// `hold PORT`, `stats PORT`, `stop PORT`. Clients, one after the other: `connect HOST PORT`, `send HOST PORT BYTES`,
/// `resolve NAME`.
/// When all servers listen it prints its addresses and `ready`. Without a server it ends when its clients have.
@main
struct NetProbe {
  static func main() async {
    var words = Words(Network.arguments.dropFirst())
    var hasServers = false
    var clients: [Client] = []
    do throws(NetworkError) {
      let network = try await Network.open()
      while let word = words.next() {
        if let client = Client(word, &words) {
          clients.append(client)
        } else {
          try await Server.start(word, &words)
          hasServers = true
        }
      }
      for address in network.addresses { print("address", address) }
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
    print("ready")
    for client in clients { await client.run() }
    guard hasServers else { return }
    while true { try? await Task.sleep(for: .seconds(3600)) }
  }
}

/// The arguments, one by one.
struct Words {
  private var rest: ArraySlice<String>

  init(_ words: ArraySlice<String>) { rest = words }

  mutating func next() -> String? { rest.popFirst() }

  /// The next word of which something must be; ends the machine if it is not.
  mutating func required<Value>(_ what: String, _ value: (String) -> Value?) -> Value {
    guard let word = next(), let value = value(word) else {
      print("net-probe: expected", what)
      Kernel.exit(2)
    }
    return value
  }

  mutating func port() -> UInt16 { required("a port") { UInt16($0) } }
  mutating func byteCount() -> Int { required("a number of bytes") { Int($0) } }
  mutating func text() -> String { required("a name") { $0 } }
}
