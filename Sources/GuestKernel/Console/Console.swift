#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI
#else
  @preconcurrency import Glibc
#endif

/// The machine's console: the monitor's standard output.
public enum Console {
  /// When what was printed is handed to the monitor.
  public enum Buffering: Sendable {
    /// After every line; each hand-over costs one exit from the guest.
    case line
    /// On `flush()`, when the buffer is full, and when the machine ends: for output that comes in bulk.
    case explicit
  }

  #if hasFeature(Embedded)
    /// When what was printed is handed to the monitor.
    nonisolated(unsafe) public static var buffering = Buffering.line

    /// Hands everything printed so far to the monitor, which writes it before the guest goes on.
    public static func flush() {
      LastWords.release()
      handOver()
    }

    /// Writes bytes as they are.
    public static func write(_ bytes: UnsafeRawBufferPointer) {
      LastWords.release()
      append(bytes)
      guard buffering == .line, bytes.contains(0x0a) else { return }
      handOver()
    }

    /// Adds to the buffer, handing it over whenever it is full.
    static func append(_ bytes: UnsafeRawBufferPointer) {
      let capacity = Int(NEEDLETAIL_CONSOLE_BUFFER_SIZE)
      guard var rest = bytes.baseAddress else { return }
      var left = bytes.count
      while left > 0 {
        let length = Int(sharedPage.pointee.console_length)
        let count = min(left, capacity - length)
        UnsafeMutableRawPointer(needletail_shared_console(sharedPage) + length)
          .copyMemory(from: rest, byteCount: count)
        rest += count
        left -= count
        sharedPage.pointee.console_length = UInt32(length + count)
        if length + count == capacity { handOver() }
      }
    }

    private static func handOver() {
      guard sharedPage.pointee.console_length > 0 else { return }
      needletail_control_write(bootInfo.pointee.control_page, UInt32(NEEDLETAIL_CONTROL_CONSOLE), 0)
      // The monitor has emptied it; what the compiler may still hold of the old length is stale.
      needletail_compiler_barrier()
    }
  #else
    /// When what was printed is written out.
    nonisolated(unsafe) public static var buffering = Buffering.line {
      didSet { setvbuf(stdout, nil, buffering == .line ? _IOLBF : _IOFBF, 0) }
    }

    /// Writes out everything printed so far.
    public static func flush() {
      fflush(stdout)
    }

    /// Writes bytes as they are.
    public static func write(_ bytes: UnsafeRawBufferPointer) {
      fwrite(bytes.baseAddress, 1, bytes.count, stdout)
    }
  #endif
}
