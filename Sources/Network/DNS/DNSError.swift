/// Why a name has no addresses.
public enum DNSError: Error, Equatable, Sendable {
  /// The text is no host name (RFC 1035, 2.3.1; RFC 1123, 2.1).
  case badName
  /// There is no such name (RFC 1035, 4.1.1: NXDOMAIN).
  case nameNotFound
  /// The name exists and has no address of a family that is in use here.
  case noAddresses
  /// No server is known.
  case noServers
  /// No server answered.
  case timedOut
  /// Every server answered that it could not, or nonsense; the last one's RCODE.
  case serverFailure(UInt8)
  /// `ResolverLimits.lookupCount` lookups are under way.
  case tooManyLookups
  /// `Lookup.cancel` was called.
  case cancelled
}

extension DNSError: CustomStringConvertible {
  /// One line.
  public var description: String {
    switch self {
    case .badName: "not a host name"
    case .nameNotFound: "no such name"
    case .noAddresses: "the name has no address"
    case .noServers: "no name server is known"
    case .timedOut: "no name server answered"
    case .serverFailure(let code): "the name servers failed (code \(code))"
    case .tooManyLookups: "too many lookups at once"
    case .cancelled: "cancelled"
    }
  }
}
