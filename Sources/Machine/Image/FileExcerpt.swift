import KVM

/// Part of a file, copied once into memory that nobody else can change: what is checked is what is used.
struct FileExcerpt: ~Copyable {
  /// Where the bytes were in the file.
  let offset: UInt64
  /// How many bytes there are: as many as were asked for, or fewer where the file ends before.
  let count: Int
  private let buffer: UnsafeMutableRawBufferPointer

  /// Reads up to `count` bytes.
  ///
  /// - Parameter offset: below 2^63, as every file's size is.
  init(of file: borrowing FileDescriptor, at offset: UInt64, count: Int) throws(Refusal) {
    self.offset = offset
    self.buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    do {
      self.count = try file.read(into: buffer, at: Int(offset))
    } catch {
      buffer.deallocate()
      throw Refusal(error.description)
    }
  }

  deinit {
    buffer.deallocate()
  }

  /// The bytes; valid as long as this value lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]) }

  /// The same bytes for libelf, which declares them mutable.
  var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]) }

  /// The bytes at a place in the file, if this part holds them all.
  func slice(at offset: UInt64, count: UInt64) -> UnsafeRawBufferPointer? {
    let size = UInt64(self.count)
    guard offset >= self.offset, offset - self.offset <= size, size - (offset - self.offset) >= count else {
      return nil
    }
    let start = Int(offset - self.offset)
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[start..<start + Int(count)])
  }
}
