import MachineABI

/// What `#devices(...)` says.
struct DeviceList {
  private(set) var declarations: [DeviceDeclaration] = []

  /// Something that must be put right in the source.
  struct Fault: Error {
    let message: String
    /// Bytes from the start of the expression.
    let offset: Int
  }

  /// Reads the whole expression. The compiler has checked its types by then, so what is left to check is its values.
  init(_ source: String) throws(Fault) {
    var scanner = SourceScanner(source)
    let start = scanner.offset
    guard scanner.take("#"), scanner.identifier() != nil, scanner.take("(") else {
      throw Fault(message: "write #devices(...) with its devices in parentheses", offset: start)
    }
    while !scanner.take(")") {
      let offset = scanner.offset
      let declaration = try Self.device(&scanner)
      try append(declaration, offset)
      guard scanner.take(",") || scanner.isBefore(")") else { throw Self.unknown(scanner.offset) }
    }
    guard !declarations.isEmpty else { throw Fault(message: "#devices declares no device", offset: start) }
  }

  private static func device(_ scanner: inout SourceScanner) throws(Fault) -> DeviceDeclaration {
    let start = scanner.offset
    // `.console` and `DeclaredDevice.console` alike: the last word tells.
    var word = scanner.identifier()
    while scanner.take(".") { word = scanner.identifier() }
    switch word {
    case "console": return DeviceDeclaration(kind: UInt32(VIRTIO_ID_CONSOLE), name: Array("console".utf8))!
    case "entropy": return DeviceDeclaration(kind: UInt32(VIRTIO_ID_ENTROPY), name: Array("entropy".utf8))!
    case "block": return try named(&scanner, kind: VIRTIO_ID_BLOCK, start)
    case "network": return try named(&scanner, kind: VIRTIO_ID_NETWORK, start)
    default: throw unknown(start)
    }
  }

  /// What follows the word of a device whose name is the program's to choose.
  private static func named(
    _ scanner: inout SourceScanner, kind: Int32, _ start: Int
  ) throws(Fault) -> DeviceDeclaration {
    guard scanner.take("(") else { throw unknown(start) }
    let offset = scanner.offset
    guard let name = scanner.plainString(), scanner.take(")") else {
      throw Fault(message: "write a device's name out, as a string literal without escapes", offset: offset)
    }
    guard let declaration = DeviceDeclaration(kind: UInt32(kind), name: name) else {
      throw Fault(message: "a device's name is \(DeviceDeclaration.nameRule)", offset: offset)
    }
    return declaration
  }

  private mutating func append(_ declaration: DeviceDeclaration, _ offset: Int) throws(Fault) {
    let name = declaration.nameText!
    guard !declarations.contains(where: { $0.nameText == name }) else {
      throw Fault(message: "two devices are named '\(name)'", offset: offset)
    }
    guard declarations.count < Int(NEEDLETAIL_DEVICE_LIMIT) else {
      throw Fault(message: "an image declares at most \(NEEDLETAIL_DEVICE_LIMIT) devices", offset: offset)
    }
    declarations.append(declaration)
  }

  private static func unknown(_ offset: Int) -> Fault {
    Fault(message: "write each device out: .block(\"NAME\"), .network(\"NAME\"), .console or .entropy", offset: offset)
  }
}

extension DeviceList {
  /// The declaration that takes the expression's place: the ELF notes, in the section that GuestLink/image.ld gathers.
  ///
  /// An ordinary process has no use for them.
  var expansion: String {
    let words = declarations.flatMap { declaration in
      // System V ABI, chapter 5, "Note Section": sizes, type, name, descriptor, in words of four bytes.
      let size = MemoryLayout<DeviceDeclaration>.size
      var note = [UInt32(NEEDLETAIL_NOTE_OWNER.utf8.count + 1), UInt32(size), UInt32(NEEDLETAIL_NOTE_DEVICE)]
      note += Self.words(Array(NEEDLETAIL_NOTE_OWNER.utf8) + [0])
      note += Self.words(withUnsafeBytes(of: declaration) { Array($0) })
      return note
    }
    let values = words.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")
    return """
      #if hasFeature(Embedded)
      @section(".note.needletail.devices") @used
      private let needletailDevices: InlineArray<\(words.count), UInt32> = [\(values)]
      #endif
      """
  }

  /// Little-endian words, the last one filled up with zeros.
  private static func words(_ bytes: [UInt8]) -> [UInt32] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      bytes[start..<min(start + 4, bytes.count)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
  }
}
