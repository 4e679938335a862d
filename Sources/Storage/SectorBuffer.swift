/// Memory that a device reads into or writes from, aligned as the strictest of them want it.
///
/// Invariant: `bytes` is valid as long as the object is, and has one user at a time.
final class SectorBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  /// - Parameter byteCount: Rounded up to whole sectors; at least one.
  init(byteCount: Int) {
    bytes = .allocate(byteCount: max(1, Int(sectors(covering: UInt64(byteCount)))), alignment: 4096)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    bytes.deallocate()
  }
}

/// The unit in which a device is read and written, in bytes (virtio-1.2 §5.2.6).
let sectorByteCount: UInt64 = 512

/// `byteCount` rounded up to whole sectors.
func sectors(covering byteCount: UInt64) -> UInt64 {
  (byteCount + (sectorByteCount - 1)) & ~(sectorByteCount - 1)
}

/// `byteCount` rounded down to whole sectors.
func sectors(within byteCount: UInt64) -> UInt64 {
  byteCount & ~(sectorByteCount - 1)
}

extension UnsafeRawBufferPointer {
  /// The little-endian number at `offset`, which need not be aligned. Traps outside of the buffer.
  func number<Number: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Number.Type = Number.self) -> Number
  {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Stores a number, little-endian, at `offset`, which need not be aligned. Traps outside of the buffer.
  func store<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, at offset: Int) {
    storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
  }
}
