import CLinux

/// The pieces of memory that one frame is read into or written from, in one system call.
public struct FrameVectors: ~Copyable {
  /// The most pieces of a frame: what one system call takes (IOV_MAX of limits.h), but for one in front and one behind.
  static let capacity = 1022

  /// Invariant: `capacity + 2` entries, of which those from `first` to below `end` are set and name memory that is valid as
  /// long as they are there. The others are not even initialized, which would touch four pages for nothing. The first entry is
  /// for what goes in front.
  private let storage: UnsafeMutablePointer<iovec>
  private var first = 1
  private var end = 1
  /// How many bytes all pieces have.
  private(set) var byteCount = 0

  /// No pieces.
  init() {
    storage = .allocate(capacity: Self.capacity + 2)
  }

  deinit {
    storage.deallocate()
  }

  /// How many pieces there are.
  var count: Int { end - first }
  /// Whether there is room for another piece.
  var isFull: Bool { end > Self.capacity }

  mutating func removeAll() {
    first = 1
    end = 1
    byteCount = 0
  }

  /// Adds a piece behind the others; there is room for one even if this is full.
  mutating func append(_ memory: UnsafeMutableRawBufferPointer) {
    guard let start = memory.baseAddress, memory.count > 0 else { return }
    precondition(end < Self.capacity + 2, "a frame has no more pieces than a system call takes")
    (storage + end).initialize(to: iovec(iov_base: start, iov_len: memory.count))
    end += 1
    byteCount += memory.count
  }

  /// Adds a piece that is only read. The type is both readv's and writev's; nothing is written through it.
  mutating func append(_ memory: UnsafeRawBufferPointer) {
    append(UnsafeMutableRawBufferPointer(mutating: memory))
  }

  /// Puts a piece in front of all others; once.
  mutating func prepend(_ memory: UnsafeRawBufferPointer) {
    precondition(first > 0 && memory.count > 0, "one piece goes in front")
    first -= 1
    (storage + first).initialize(
      to: iovec(iov_base: UnsafeMutableRawPointer(mutating: memory.baseAddress!), iov_len: memory.count))
    byteCount += memory.count
  }

  /// Removes bytes from the front.
  mutating func removeFirst(_ count: Int) {
    precondition(count <= byteCount, "no more than there is")
    byteCount -= count
    var left = count
    while left > 0 {
      let length = storage[first].iov_len
      guard length <= left else {
        storage[first].iov_base += left
        storage[first].iov_len -= left
        return
      }
      left -= length
      first += 1
    }
  }

  /// Removes what is behind a number of bytes.
  mutating func keepFirst(_ count: Int) {
    precondition(count <= byteCount, "no more than there is")
    while byteCount > count {
      let last = storage[end - 1].iov_len
      let excess = byteCount - count
      guard last <= excess else {
        storage[end - 1].iov_len -= excess
        byteCount = count
        return
      }
      end -= 1
      byteCount -= last
    }
  }

  /// Hands the pieces to a system call.
  func withPointer(_ body: (UnsafePointer<iovec>, Int32) -> Int) -> Int {
    body(UnsafePointer(storage + first), Int32(end - first))
  }

  /// Calls `body` with each piece, front to back.
  func forEach(_ body: (UnsafeRawBufferPointer) -> Void) {
    for index in first..<end {
      body(UnsafeRawBufferPointer(start: storage[index].iov_base, count: storage[index].iov_len))
    }
  }
}
