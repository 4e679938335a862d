import CLinux

/// The address of an interface on Ethernet.
public struct EthernetAddress: Equatable, Sendable {
  /// In the order in which they are sent.
  public let bytes: InlineArray<6, UInt8>

  public init(_ bytes: InlineArray<6, UInt8>) { self.bytes = bytes }

  /// Reads six bytes of two hexadecimal digits between colons; nil for anything else, for a group's address and for zero: no
  /// interface can have those.
  public init?(_ text: some StringProtocol) {
    let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard parts.count == 6 else { return nil }
    var bytes = InlineArray<6, UInt8>(repeating: 0)
    for (index, part) in parts.enumerated() {
      guard part.count == 2 else { return nil }
      for digit in part {
        guard let value = Self.value(ofDigit: digit) else { return nil }
        bytes[index] = bytes[index] << 4 | value
      }
    }
    self.bytes = bytes
    guard bytes[0] & Self.group == 0, bytes.indices.contains(where: { bytes[$0] != 0 }) else { return nil }
  }

  /// An address that belongs to nobody else (IEEE 802, "locally administered"), made from names: the same names have the
  /// same address until this host is started again, and other hosts have others. So neighbours who remember a machine's
  /// address find the machine again that takes its place.
  ///
  /// - Parameter names: what tells the interface from others of this host. Empty: nothing does, and the address is random.
  public init(madeFrom names: [String]) {
    // FNV-1a. Nobody has to be kept from finding names with the same address.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func mix(_ bytes: some Sequence<UInt8>) {
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
    if names.isEmpty {
      withUnsafeMutableBytes(of: &hash) { _ = getrandom($0.baseAddress, $0.count, 0) }
    } else {
      mix(Self.hostIdentity())
      for name in names {
        mix(name.utf8)
        mix(CollectionOfOne(0))
      }
    }
    var bytes = InlineArray<6, UInt8> { UInt8(truncatingIfNeeded: hash >> UInt64(8 * ($0 + 2))) }
    bytes[0] = bytes[0] & ~Self.group | Self.local
    self.bytes = bytes
  }

  public static func == (left: EthernetAddress, right: EthernetAddress) -> Bool {
    left.bytes.indices.allSatisfy { left.bytes[$0] == right.bytes[$0] }
  }

  private static let group: UInt8 = 1
  private static let local: UInt8 = 2

  private static func value(ofDigit digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// What the kernel drew at random when it started (proc(5), random/boot_id); random if there is no telling.
  private static func hostIdentity() -> [UInt8] {
    var identity = [UInt8](repeating: 0, count: 36)
    let file = linux_open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC, 0)
    let count = file >= 0 ? read(file, &identity, identity.count) : -1
    if file >= 0 { close(file) }
    if count != identity.count { _ = getrandom(&identity, identity.count, 0) }
    return identity
  }
}
