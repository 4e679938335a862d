import CLinux
import KVM
import MachineABI

/// Where the guest's output goes.
struct ConsoleOutput {
  let descriptor: Int32
  /// Bytes written so far.
  private(set) var byteCount = 0

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// Writes out what waits in the shared page and empties it.
  ///
  /// - Returns: false if nobody reads the other end any more.
  mutating func drain(_ page: UnsafeMutablePointer<SharedPage>) throws(SystemCallError) -> Bool {
    // The guest can write anything here: read once, bound, use.
    let length = min(Int(page.pointee.console_length), Int(NEEDLETAIL_CONSOLE_BUFFER_SIZE))
    page.pointee.console_length = 0
    guard length > 0 else { return true }
    do throws(SystemCallError) {
      try FileDescriptor.writeAll(
        UnsafeRawBufferPointer(start: needletail_shared_console(page), count: length), to: descriptor)
    } catch {
      if error.code == EPIPE { return false }
      throw error
    }
    byteCount += length
    return true
  }
}
