import CLinux
import KVM

extension PasstOptions.Forwarding {
  /// Makes sure that passt will have the port, for every family of addresses that it is for. passt itself (2023-03) says nothing
  /// as long as one port of all can be had for one family: others' clients would then reach somebody else.
  ///
  /// - Parameter others: what is forwarded besides.
  func expectFree(besides others: some Sequence<Self>) throws(NetworkBackendError) {
    for other in others where other.isUDP == isUDP && other.hostPort == hostPort {
      guard other.hostAddress != nil && hostAddress != nil && other.hostAddress != hostAddress else {
        throw .publishedTwice(self)
      }
    }
    for address in hostAddress.map({ [$0] }) ?? ["0.0.0.0", "::"] {
      let result = linux_probe_port(address, hostPort, isUDP ? 1 : 0)
      // A host without IPv6 has no such port, and nobody reaches it there.
      if hostAddress == nil, address == "::", result == EAFNOSUPPORT || result == EADDRNOTAVAIL { continue }
      guard result == 0 else { throw .publishedPort(self, SystemCallError("bind", code: result)) }
    }
  }

  /// As the command line has it, without the guest's port.
  var hostText: String {
    let address = hostAddress.map { $0.utf8.contains(UInt8(ascii: ":")) ? "[\($0)]:" : "\($0):" } ?? ""
    return "\(address)\(hostPort)/\(isUDP ? "udp" : "tcp")"
  }
}
