/// A device's contents, taken apart as docs/storage.md describes the format, without the store's own code.
///
/// For giving a store's numbers wrong values under right checksums.
public struct StoreImage {
  public var bytes: [UInt8]

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  static let superblockOffsets = [0, 4096]
  static let ringOffset = 8192

  /// Where the fields of a superblock are, in bytes from its start, and how long they are.
  public static let superblockFields = [
    (8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8), (56, 8), (64, 8), (72, 4),
  ]
  /// Where the fields of a batch's header are, in bytes from its start, and how long they are.
  public static let headerFields = [
    (8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 4), (52, 4), (56, 8), (64, 8), (72, 4),
  ]

  public func number(at offset: Int, byteCount: Int) -> UInt64 {
    bytes[offset..<(offset + byteCount)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  public mutating func set(_ number: UInt64, at offset: Int, byteCount: Int) {
    for index in 0..<byteCount { bytes[offset + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index)) }
  }

  /// Where something starts like a superblock.
  public var superblocks: [Int] {
    Self.superblockOffsets.filter { $0 + 512 <= bytes.count && bytes[$0..<($0 + 8)].elementsEqual("NDLSTORE".utf8) }
  }

  /// Where something starts like a batch, in bytes from the start of the device.
  public var batches: [Int] {
    stride(from: Self.ringOffset, to: bytes.count - 511, by: 512).filter {
      bytes[$0..<($0 + 4)].elementsEqual("NDLB".utf8)
    }
  }

  /// Gives everything the checksum that its contents have, batches that go round the end of the ring excepted.
  public mutating func repairChecksums() {
    for batch in batches {
      let records = Int(number(at: batch + 40, byteCount: 4))
      let values = Int(number(at: batch + 48, byteCount: 4))
      if batch + 88 + records + values <= bytes.count {
        set(checksum(batch + 88, records), at: batch + 44, byteCount: 4)
        set(checksum(batch + 88 + records, values), at: batch + 52, byteCount: 4)
      }
      set(checksum(batch + 8, 80), at: batch + 4, byteCount: 4)
    }
    for superblock in superblocks {
      let ring = number(at: superblock + 40, byteCount: 8)
      let position = number(at: superblock + 56, byteCount: 8)
      if ring > 0, let batch = batches.first(where: { UInt64($0 - Self.ringOffset) == position % ring }) {
        set(number(at: batch + 4, byteCount: 4), at: superblock + 72, byteCount: 4)
      }
      set(checksum(superblock, 508), at: superblock + 508, byteCount: 4)
    }
  }

  /// CRC32C, bit by bit.
  private func checksum(_ offset: Int, _ count: Int) -> UInt64 {
    var register = UInt32.max
    for byte in bytes[offset..<(offset + count)] {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 0 ? register >> 1 : register >> 1 ^ 0x82f6_3b78 }
    }
    return UInt64(~register)
  }
}
