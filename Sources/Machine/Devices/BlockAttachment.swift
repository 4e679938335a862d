/// A file or block device that a machine is to have as one of the block devices that its image declares.
public struct BlockAttachment: Equatable, Sendable {
  /// The name by which the image declares it.
  public var name: String
  /// A regular file or a block device.
  public var path: String
  /// Whether the guest may only read it; its file is then opened so.
  public var isReadOnly: Bool
  /// Whether the host's page cache is passed by (O_DIRECT).
  public var isDirect: Bool

  /// An attachment of these properties; see them.
  public init(name: String, path: String, isReadOnly: Bool = false, isDirect: Bool = false) {
    self.name = name
    self.path = path
    self.isReadOnly = isReadOnly
    self.isDirect = isDirect
  }
}
