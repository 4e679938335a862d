/// What a client's bytes go through to a TCP stack: each way that README.md and docs/network.md describe for a guest, and two
/// with Linux's stack in the guest's place.
enum SetUp: CaseIterable {
  /// A guest on a TAP interface.
  case tap
  /// A guest behind a passt that its monitor starts.
  case passt
  /// A guest behind a passt that somebody started, with packets as long as the monitor would have them.
  case socket
  /// The same without a word about the length: 1500 bytes.
  case shortSocket
  /// Linux in a namespace.
  case veth
  /// Linux in a namespace behind pasta, which is passt for a namespace.
  case pasta

  static let guests: [SetUp] = [.tap, .passt, .socket, .shortSocket]

  var name: String {
    switch self {
    case .tap: "TAP"
    case .passt: "passt"
    case .socket: "unix:, mtu=65520"
    case .shortSocket: "unix:"
    case .veth: "Linux, veth"
    case .pasta: "Linux, pasta"
    }
  }

  /// What stands beside it.
  var linux: SetUp { self == .tap ? .veth : .pasta }

  /// The namespace of a Linux stack.
  var namespace: String { self == .veth ? "peer" : "behind" }

  /// Where a client reaches it.
  var address: String {
    switch self {
    case .tap: Lab.Side.guest.address
    case .veth: Lab.Side.linux.address
    case .passt, .socket, .shortSocket, .pasta: PasstHost.address
    }
  }

  /// The port at which a client reaches a service. All that are behind the same address have theirs at the same time.
  func port(_ port: Int) -> Int {
    switch self {
    case .tap, .veth: port
    case .passt: 11_000 + port
    case .socket: 12_000 + port
    case .shortSocket: 13_000 + port
    case .pasta: 14_000 + port
    }
  }
}
