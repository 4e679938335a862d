/// The Castagnoli cyclic redundancy check (RFC 3720, appendix B.4): it detects every change of up to three bits, and of
/// up to 32 bits in a row, and misses one in 2³² of other changes.
struct CRC32C {
  private var register: UInt32 = .max

  /// The checksum of what was added so far.
  var value: UInt32 { ~register }

  static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var checksum = CRC32C()
    checksum.add(bytes)
    return checksum.value
  }

  static func of(_ bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { of($0) }
  }

  /// Eight bytes at a time ("slicing by 8").
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    let tables = Self.tables
    var register = register
    var offset = 0
    while bytes.count - offset >= 8 {
      let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(register)
      register =
        tables[0x700 &+ Int(truncatingIfNeeded: word & 0xff)]
        ^ tables[0x600 &+ Int(truncatingIfNeeded: word >> 8 & 0xff)]
        ^ tables[0x500 &+ Int(truncatingIfNeeded: word >> 16 & 0xff)]
        ^ tables[0x400 &+ Int(truncatingIfNeeded: word >> 24 & 0xff)]
      register ^=
        tables[0x300 &+ Int(truncatingIfNeeded: word >> 32 & 0xff)]
        ^ tables[0x200 &+ Int(truncatingIfNeeded: word >> 40 & 0xff)]
        ^ tables[0x100 &+ Int(truncatingIfNeeded: word >> 48 & 0xff)]
        ^ tables[Int(truncatingIfNeeded: word >> 56)]
      offset &+= 8
    }
    while offset < bytes.count {
      register = tables[Int(truncatingIfNeeded: (register ^ UInt32(bytes[offset])) & 0xff)] ^ (register >> 8)
      offset &+= 1
    }
    self.register = register
  }

  /// The polynomial of the check, its bits reversed.
  private static let polynomial: UInt32 = 0x82f6_3b78

  /// Eight tables of 256: table *n* has what a byte does to the register when *n* more bytes have gone through it.
  ///
  /// Written once, before the first use, and never freed.
  nonisolated(unsafe) private static let tables: UnsafePointer<UInt32> = {
    let tables = UnsafeMutablePointer<UInt32>.allocate(capacity: 8 * 256)
    for byte in 0..<256 {
      var register = UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 0 ? register >> 1 : register >> 1 ^ polynomial }
      tables[byte] = register
    }
    for index in 256..<(8 * 256) {
      let previous = tables[index - 256]
      tables[index] = tables[Int(previous & 0xff)] ^ previous >> 8
    }
    return UnsafePointer(tables)
  }()
}
