import CLinux
import KVM

/// Records every frame of an interface, both ways, in a file that tcpdump and Wireshark read: pcap, with nanoseconds
/// (draft-ietf-opsawg-pcap).
///
/// Frames are copied to memory, and a thread of its own writes them to the file: a slow disk, or a pipe that nobody reads,
/// never holds up the devices. What there is no room for meanwhile is not recorded, and counted.
public final class PacketCapture: @unchecked Sendable {
  /// How much may wait to be written, in bytes. Without it, a flood of frames and a slow disk would take the host's memory.
  static let bufferLimit = 4 << 20
  /// For how many seconds the end waits for what is not written yet.
  static let endPatience = 2

  private static let headerSize = 24
  private static let recordHeaderSize = 16

  /// The file, as the user named it.
  public let path: String
  private let file: FileDescriptor
  // Guarded by `lock`, from here on; the device lock may be held when it is taken, never the other way round.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  /// There is something to write, or the end; or nothing is left to write.
  private let change: UnsafeMutablePointer<pthread_cond_t>
  /// Where records go, and what the thread writes. Invariant: each has `bufferLimit` bytes.
  private var filling: UnsafeMutableRawPointer
  private var writing: UnsafeMutableRawPointer
  private var fillCount = 0
  private var isWriting = false
  private var isEnding = false
  private var lost: UInt64 = 0
  private var failure: SystemCallError?

  /// Creates the file, or empties it.
  public init(creating path: String) throws(SystemCallError) {
    self.path = path
    file = try FileDescriptor(creating: path)
    lock = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    change = .allocate(capacity: 1)
    pthread_cond_init(change, nil)
    // Pages that are never reached take nothing.
    filling = .allocate(byteCount: Self.bufferLimit, alignment: 8)
    writing = .allocate(byteCount: Self.bufferLimit, alignment: 8)
    appendFileHeader()
    var thread = pthread_t()
    // The thread keeps this value: should it never get rid of its last bytes, it outlives who waits for it.
    let reference = Unmanaged.passRetained(self)
    let result = linux_start_thread(
      &thread,
      { argument in
        Unmanaged<PacketCapture>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, reference.toOpaque())
    guard result == 0 else {
      reference.release()
      throw SystemCallError("pthread_create", code: result)
    }
    pthread_detach(thread)
  }

  deinit {
    pthread_cond_destroy(change)
    change.deallocate()
    pthread_mutex_destroy(lock)
    lock.deallocate()
    filling.deallocate()
    writing.deallocate()
  }

  /// Records a frame, as it passes now. Never waits for the file.
  func record(_ frame: borrowing FrameVectors) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let byteCount = frame.byteCount
    locked {
      guard failure == nil, !isEnding else { return }
      guard Self.bufferLimit - fillCount >= Self.recordHeaderSize + byteCount else {
        lost += 1
        return
      }
      append(UInt32(truncatingIfNeeded: time.tv_sec))
      append(UInt32(truncatingIfNeeded: time.tv_nsec))
      append(UInt32(byteCount))
      append(UInt32(byteCount))
      frame.forEach { piece in
        (filling + fillCount).copyMemory(from: piece.baseAddress!, byteCount: piece.count)
        fillCount += piece.count
      }
      if !isWriting { pthread_cond_broadcast(change) }
    }
  }

  /// Writes what waits to be written, but waits no longer than `endPatience` for that. Nothing is recorded any more.
  ///
  /// - Returns: a line that says what is missing from the file; nil if nothing is.
  public func end() -> String? {
    var deadline = timespec()
    clock_gettime(CLOCK_REALTIME, &deadline)
    deadline.tv_sec += Self.endPatience
    return locked {
      isEnding = true
      pthread_cond_broadcast(change)
      while fillCount > 0 || isWriting {
        guard pthread_cond_timedwait(change, lock, &deadline) == 0 else {
          return "capture \(path): the last \(fillCount) bytes or more could not be written in time"
        }
      }
      if let failure { return "capture \(path): \(failure.description)" }
      return lost == 0
        ? nil : "capture \(path): \(lost) frames are not recorded; they came faster than they were written"
    }
  }

  private func run() {
    while true {
      let count: Int? = locked {
        isWriting = false
        pthread_cond_broadcast(change)
        while fillCount == 0 {
          if isEnding { return nil }
          pthread_cond_wait(change, lock)
        }
        swap(&filling, &writing)
        let count = fillCount
        fillCount = 0
        isWriting = true
        return count
      }
      guard let count else { return }
      do throws(SystemCallError) {
        try FileDescriptor.writeAll(UnsafeRawBufferPointer(start: writing, count: count), to: file.rawValue)
      } catch {
        locked {
          failure = error
          fillCount = 0
        }
      }
    }
  }

  /// The magic number says that times are in nanoseconds; the link's type is Ethernet.
  private func appendFileHeader() {
    append(0xa1b2_3c4d)
    append(2 | 4 << 16)  // version 2.4
    append(0)
    append(0)
    append(UInt32(NetworkFrame.packetLimit + NetworkFrame.headerLimit))
    append(1)
  }

  private func append(_ value: UInt32) {
    (filling + fillCount).storeBytes(of: value.littleEndian, as: UInt32.self)
    fillCount += MemoryLayout<UInt32>.size
  }

  private func locked<Result>(_ body: () -> Result) -> Result {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }
}
