import CLinux

/// What is between this program and the machine.
enum NetworkLink: Sendable {
  /// A TAP device with the offloads; for a Linux in the machine's place a veth pair.
  case direct
  /// `Wire`, which has no offloads, and the monitor's `unix:PATH`.
  case impaired(Impairment)
  /// A TAP device with the offloads, and a router behind it. What it sends on has been cut into frames and has its
  /// checksums; what is larger than `mtu` it refuses (ICMP).
  case routed(mtu: Int)
}

extension NetworkLab {
  /// This program's addresses, the machine's, and the router's on this program's side.
  static let neighbourIPv4 = "10.7.0.1", machineIPv4 = "10.7.0.2"
  static let neighbourIPv6 = "fd07::1", machineIPv6 = "fd07::2"
  static let farIPv4 = "10.8.0.1", farIPv6 = "fd08::1"

  /// The interface on this side of the link.
  static let interface = "nt0"
  /// The other side's, where it is Linux's.
  private static let machineInterface = "eth0"
  /// The one that a hosted program has behind a wire.
  static let hostedInterface = "tap0"

  var socketPath: String { "\(directory.path)/wire" }

  /// Makes the link, with the addresses of all that is not the machine.
  mutating func connect(_ link: NetworkLink) throws(Verdict) {
    self.link = link
    if subject == .linux { try makeNamespace("machine") }
    switch link {
    case .direct:
      if subject.hasTAP {
        try makeTAP(flags: IFF_VNET_HDR)
      } else {
        try ip("link add \(Self.interface) type veth peer name \(Self.machineInterface) netns machine")
      }
      try setAddresses(Self.interface, Self.neighbourIPv4, Self.neighbourIPv6)
    case .impaired(let impairment):
      try startWire(impairment)
      // Linux asks for a link-layer address three times and gives up. The first time may be before the machine has made sure of
      // its address, which takes a second (RFC 4862, 5.4), and a wire loses the others now and then.
      for family in ["ipv4", "ipv6"] { try set("\(family)/neigh/\(Self.interface)/mcast_solicit", to: "20") }
      try setAddresses(Self.interface, Self.neighbourIPv4, Self.neighbourIPv6)
    case .routed(let mtu): try makeRouter(mtu: mtu)
    }
    guard subject == .linux else { return }
    try setAddresses(Self.machineInterface, Self.machineIPv4, Self.machineIPv6, in: "machine")
    try ip("-n machine route add default via \(Self.neighbourIPv4)")
    try ip("-n machine route add default via \(Self.neighbourIPv6)")
  }

  /// Ends the wire.
  ///
  /// - Returns: what it has done to the frames, towards the machine and back.
  mutating func endWire() throws(Verdict) -> (there: WireAccount, back: WireAccount) {
    guard var process = wire.take() else { throw .failed("there is no wire") }
    process.signal(SIGTERM)
    let run = try process.finish().expect(status: 0)
    guard let there = WireAccount(text: try run.value("there:")), let back = WireAccount(text: try run.value("back:"))
    else { throw run.failure("two accounts", got: "others") }
    return (there, back)
  }

  /// Makes this program's TAP device. (Busybox's `ip` makes none.)
  private func makeTAP(flags: Int32) throws(Verdict) {
    let descriptor = linux_open("/dev/net/tun", O_RDWR | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw Verdict(call: "open /dev/net/tun") }
    defer { close(descriptor) }
    guard linux_attach_tap(descriptor, Self.interface, flags) == 0, linux_keep_tap(descriptor) == 0 else {
      throw Verdict(call: "make \(Self.interface)")
    }
  }

  private mutating func startWire(_ impairment: Impairment) throws(Verdict) {
    var end = "unix:\(directory.newPath("wire"))"
    try makeTAP(flags: 0)
    switch subject {
    case .guest: break
    case .linux:
      try ip("-n machine tuntap add dev \(Self.machineInterface) mode tap")
      end = "tap:\(Self.machineInterface)@machine"
    case .hosted:
      // Two TAP devices, for each has one process at its end, and a bridge between them.
      try makeNamespace("machine")
      try ip("-n machine link add bridge type bridge")
      for device in [Self.machineInterface, Self.hostedInterface] {
        try ip("-n machine tuntap add dev \(device) mode tap\(device == Self.hostedInterface ? " vnet_hdr" : "")")
        try ip("-n machine link set \(device) master bridge up")
      }
      try ip("-n machine link set bridge up")
      end = "tap:\(Self.machineInterface)@machine"
    }
    var process = try start(
      [try OwnProgram.path(), Wire.mode, "tap:\(Self.interface)", end] + impairment.words, in: nil)
    try process.waitForOutput("ready\n")
    wire = consume process
  }

  private mutating func makeRouter(mtu: Int) throws(Verdict) {
    try makeNamespace("router")
    try set("ipv4/ip_forward", to: "1", in: "router")
    try set("ipv6/conf/all/forwarding", to: "1", in: "router")
    // The far side: this program's.
    try ip("link add \(Self.interface) type veth peer name far0 netns router")
    try setAddresses(Self.interface, Self.farIPv4, Self.farIPv6)
    try setAddresses("far0", "10.8.0.2", "fd08::2", in: "router")
    try ip("link set \(Self.interface) mtu \(mtu)")
    try ip("-n router link set far0 mtu \(mtu)")
    // Whole frames with their checksums, as on a cable (ethtool(8), -K).
    try tool("ethtool", "-K far0 tx off".words, in: "router").expect(status: 0)
    try tool("ethtool", ["-K", Self.interface, "tx", "off"]).expect(status: 0)
    // The machine is told that it may send full segments, as if the narrow place were between others.
    try ip("route add 10.7.0.0/24 via 10.8.0.2 advmss 1460")
    try ip("route add fd07::/64 via fd08::2 advmss 1440")
    // The near side: the machine's.
    if subject.hasTAP {
      try ip("-n router tuntap add dev near0 mode tap vnet_hdr")
    } else {
      try ip("-n router link add near0 type veth peer name \(Self.machineInterface) netns machine")
    }
    try setAddresses("near0", Self.neighbourIPv4, Self.neighbourIPv6, in: "router")
  }

  func setAddresses(
    _ interface: String, _ ipv4: String, _ ipv6: String, in namespace: String? = nil
  ) throws(Verdict) {
    let place = namespace.map { "-n \($0) " } ?? ""
    // Nobody else has these addresses, and they are of use at once. (Busybox's `ip` has no `nodad`.)
    try set("ipv6/conf/\(interface)/accept_dad", to: "0", in: namespace)
    try ip("\(place)addr add \(ipv4)/24 dev \(interface)")
    try ip("\(place)addr add \(ipv6)/64 dev \(interface)")
    try ip("\(place)link set \(interface) up")
  }
}
