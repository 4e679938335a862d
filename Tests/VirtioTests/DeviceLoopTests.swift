import CLinux
import KVM
import Testing

@testable import Virtio

/// The thread and the lock of all devices.
@Suite struct DeviceLoopTests {
  /// A flood at one device: its descriptor is always ready. Who waits for the lock while a handler has it, as a processor of
  /// the guest's does with each write, has it before the next handler.
  @Test func aFloodLeavesTheLockToWhoWaits() throws {
    let loop = DeviceLoop()
    let always = FileDescriptor(owning: try valueOrErrno("eventfd", eventfd(1, Int32(EFD_CLOEXEC))))
    let descriptor = always.rawValue
    let state = try ThreadState()
    var taken = 0, rounds = 0, overtaken = 0
    var takenBefore: Int?
    try loop.withLock { () throws(SystemCallError) in
      try loop.watch(descriptor, for: .readable) {
        if let before = takenBefore {
          rounds += 1
          if taken == before { overtaken += 1 }
          takenBefore = nil
        } else if state.isAsleep {
          // It sleeps nowhere else: it waits for the lock, which is this handler's.
          takenBefore = taken
        }
      }
    }
    while loop.withLock({
      taken += 1
      return rounds < 20
    }) {}
    loop.end()
    #expect(overtaken == 0)
  }
}

/// What the thread that makes this does, as others see it (proc(5), /proc/thread-self/stat).
private final class ThreadState {
  private let file: FileDescriptor

  init() throws(SystemCallError) {
    file = try FileDescriptor(opening: "/proc/thread-self/stat", flags: O_RDONLY)
  }

  /// Whether it waits for something. The state follows the name of the program, which is in parentheses.
  var isAsleep: Bool {
    var text = [UInt8](repeating: 0, count: 512)
    let count = pread(file.rawValue, &text, text.count, 0)
    guard count > 0, let end = text[..<count].lastIndex(of: UInt8(ascii: ")")), end + 2 < count else { return false }
    return text[end + 2] == UInt8(ascii: "S")
  }
}
