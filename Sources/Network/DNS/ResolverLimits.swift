public enum ResolverLimits {
  /// Name servers that are asked; more are not remembered.
  public static let serverCount = 4
  /// Lookups at a time. Bounds what a program that looks up what its clients say can be made to keep.
  public static let lookupCount = 64
  /// How often all servers are asked before there is no answer.
  static let roundCount = 3
  /// How long after one server the next is asked (RFC 1035, 7.2 leaves two to five seconds). A server that needs longer is
  /// heard nevertheless, see `openPortCount`.
  static let answerMilliseconds = 2_000
  /// Of the servers that a question has asked by UDP, how many may answer yet: the latest. All lookups together leave half of
  /// `UDPLimits.portCount` to others.
  static let openPortCount = 4
  /// How long a server has for an answer over TCP, the connection included.
  static let tcpMilliseconds = 5_000
  /// Aliases between a name and its addresses. Aliases in a circle end here.
  static let aliasCount = 8
  /// Records of an answer that are looked at, and addresses that are taken. What more is said in 64 KiB is not kept.
  static let recordCount = 256
  static let addressCount = 32
  /// Names whose addresses are remembered.
  static let cachedNameCount = 128
  /// For how long at most, whatever the answer says: a forged answer does not stay for a year.
  static let cachedSeconds: UInt32 = 3_600
}
