extension DeviceDeclaration {
  /// What a device's name must be, for messages.
  public static var nameRule: String { "1 to 31 of A-Z a-z 0-9 . _ -" }

  /// Whether a byte may stand in a device's name.
  public static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x41...0x5a, 0x61...0x7a, 0x30...0x39, 0x2e, 0x5f, 0x2d: true
    default: false
    }
  }

  /// A declaration as it stands in an image.
  ///
  /// - Parameters:
  ///   - kind: the virtio device ID (virtio 1.2, section 5).
  ///   - name: in UTF-8.
  /// - Returns: nil if the name breaks `nameRule`.
  public init?(kind: UInt32, name text: [UInt8]) {
    guard !text.isEmpty, text.count < Int(NEEDLETAIL_DEVICE_NAME_SIZE), text.allSatisfy(Self.isNameByte) else {
      return nil
    }
    self.init()
    self.kind = kind
    withUnsafeMutableBytes(of: &name) { $0.copyBytes(from: text) }
  }

  /// The name; nil if it breaks `nameRule`, or if its field holds anything but zeros behind it.
  public var nameText: String? {
    withUnsafeBytes(of: name) { field in
      let text = field.prefix { $0 != 0 }
      guard !text.isEmpty, text.count < field.count, text.allSatisfy(Self.isNameByte),
        field[text.endIndex...].allSatisfy({ $0 == 0 })
      else { return nil }
      return String(decoding: text, as: UTF8.self)
    }
  }
}
