/// As much of ACPI's machine language as describes devices that are just there (ACPI 6.5, section 20.2). Each function gives
/// the bytes of one object.
enum AML {
  private enum Opcode {
    static let byte: UInt8 = 0x0a
    static let string: UInt8 = 0x0d
    static let name: UInt8 = 0x08
    static let scope: UInt8 = 0x10
    static let buffer: UInt8 = 0x11
    static let package: UInt8 = 0x12
    static let device: [UInt8] = [0x5b, 0x82]
  }

  /// - Parameter name: of ASCII.
  static func scope(_ name: StaticString, _ contents: [UInt8]) -> [UInt8] {
    [Opcode.scope] + withLength(bytes(of: name) + contents)
  }

  /// - Parameter name: four capital letters, digits or underscores, the first no digit.
  static func device(_ name: [UInt8], _ contents: [UInt8]) -> [UInt8] {
    Opcode.device + withLength(name + contents)
  }

  static func name(_ name: StaticString, _ object: [UInt8]) -> [UInt8] {
    [Opcode.name] + bytes(of: name) + object
  }

  static func string(_ text: StaticString) -> [UInt8] { [Opcode.string] + bytes(of: text) + [0] }

  static func integer(_ value: UInt8) -> [UInt8] { [Opcode.byte, value] }

  /// - Parameter elements: fewer than 256.
  static func package(_ elements: [[UInt8]]) -> [UInt8] {
    var contents = [UInt8(elements.count)]
    for element in elements { contents += element }
    return [Opcode.package] + withLength(contents)
  }

  /// A buffer of resource descriptors, with the end tag behind them (section 6.4.2.9).
  static func resources(_ descriptors: [UInt8]) -> [UInt8] {
    let template = descriptors + [0x79, 0]
    return [Opcode.buffer] + withLength(integer(UInt8(template.count)) + template)
  }

  /// `contents` behind their length, which counts itself (section 20.2.4).
  static func withLength(_ contents: [UInt8]) -> [UInt8] {
    let short = contents.count + 1
    if short < 0x40 { return [UInt8(short)] + contents }
    let long = contents.count + 2
    precondition(long < 0x1000, "nothing here is longer")
    return [0x40 | UInt8(long & 0xf), UInt8(long >> 4)] + contents
  }

  // MARK: Resource descriptors

  /// Registers in memory, for reading and writing (section 6.4.3.4).
  static func memory(_ address: UInt32, size: UInt32) -> [UInt8] {
    [0x86, 9, 0, 1] + littleEndian(address) + littleEndian(size)
  }

  /// I/O ports (section 6.4.2.5).
  static func ports(_ first: UInt16, count: UInt8) -> [UInt8] {
    [0x47, 1] + littleEndian(first) + littleEndian(first) + [1, count]
  }

  /// An interrupt that the device has for itself: edge-triggered, active high (section 6.4.3.6).
  static func interrupt(_ line: UInt32) -> [UInt8] { [0x89, 6, 0, 0b0011, 1] + littleEndian(line) }

  static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  static func bytes(of text: StaticString) -> [UInt8] {
    Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
