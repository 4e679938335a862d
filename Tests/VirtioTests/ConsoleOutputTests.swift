import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

@Suite struct ConsoleTransmitTests {
  @Test func bytesComeOutInOrderWithOneInterrupt() throws {
    let output = try Ends.pipe()
    let console = try ConsoleUnderTest(output: output.far)
    console.queueOutput([Array("one ".utf8), Array("two ".utf8)])
    console.queueOutput([Array("three".utf8)])
    console.transmitQueue.kick()
    let written = output.received()
    #expect(written == Array("one two three".utf8))
    #expect(console.transmitQueue.collect().map(\.count) == [0, 0])
    #expect(console.driver.interruptCount == 1)
    #expect(console.isWritten)
  }

  @Test func drainingNeedsNoNotification() throws {
    let output = try Ends.pipe()
    let console = try ConsoleUnderTest(output: output.far)
    console.queueOutput([Array("queued".utf8)])
    console.loop.withLock { console.device.drainTransmit() }
    let written = output.received()
    #expect(written == Array("queued".utf8))
  }

  /// More pieces than one writev takes, of sizes that do not go together.
  @Test func manyPieces() throws {
    let file = try TemporaryFile()
    let console = try ConsoleUnderTest(output: file.descriptor, starts: false)
    try console.driver.start(queueSize: 64)
    let pieces = (1...60).map { count in (0..<count * 7).map { UInt8(truncatingIfNeeded: $0 &+ count) } }
    console.queueOutput(pieces)
    console.transmitQueue.kick()
    #expect(console.isWritten)
    #expect(file.bytes() == pieces.flatMap { $0 })
  }

  /// The same memory over and over, more than a pipe takes at once: partial writes.
  @Test(arguments: [0, O_NONBLOCK]) func moreThanAPipeHolds(flags: Int32) throws {
    let output = try Ends.pipe(flags: flags)
    let console = try ConsoleUnderTest(output: output.far)
    let address = console.memory.allocate(100_003)
    let content = (0..<100_003).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    console.memory.store(content, at: address)
    console.transmitQueue.add((0..<9).map { _ in .readable(address, content.count) })
    let reader = Reader(output.near, count: 9 * content.count)
    console.transmitQueue.kick()
    #expect(console.isWritten)
    let read = reader.join()
    #expect(read == (0..<9).flatMap { _ in content })
  }

  @Test func nobodyReads() async {
    // In a process of its own: SIGPIPE is the whole process's.
    await #expect(processExitsWith: .success) {
      _ = linux_ignore_signal(SIGPIPE)
      var output = try Ends.pipe()
      output.closeNear()
      let console = try ConsoleUnderTest(output: output.far)
      console.queueOutput([[1]])
      console.queueOutput([[2]])
      console.transmitQueue.kick()
      #expect(console.isClosed)
      // The rest stays where it is.
      #expect(console.transmitQueue.collect().count == 1)
      #expect(!console.driver.needsReset)
    }
  }

  @Test func otherErrorsAreErrors() throws {
    let console = try ConsoleUnderTest(output: -1)
    console.queueOutput([[1]])
    console.transmitQueue.kick()
    guard case .failed(let error) = console.device.delivery else {
      Issue.record("it was written")
      return
    }
    #expect(error.description == "write: Bad file descriptor")
  }

  /// A machine that was told to stop writes as long as there is room, and waits for nobody.
  @Test func stoppedWithAFullPipe() throws {
    let output = try Ends.pipe()
    let console = try ConsoleUnderTest(output: output.far)
    console.stopFlag.pointee = 1
    let address = console.memory.allocate(1 << 18)
    console.transmitQueue.add([.readable(address, 1 << 18)])
    console.transmitQueue.kick()
    #expect(console.isStopped)
    let count = output.received().count
    #expect(count == 65536)
  }

  /// A signal ends the waiting for a reader, in the middle of a write too.
  @Test func stoppedWhileWaiting() async {
    // In a process of its own: signal handlers are the whole process's.
    await #expect(processExitsWith: .success) {
      _ = linux_sigaction(SIGUSR1, { _ in }, 0)
      // The threads that run tests take no signals.
      linux_unblock_signal(SIGUSR1)
      let output = try Ends.pipe()
      let console = try ConsoleUnderTest(output: output.far)
      let address = console.memory.allocate(1 << 18)
      console.transmitQueue.add([.readable(address, 1 << 18)])
      let helper = Interrupter(of: pthread_self(), setting: console.stopFlag, whenFull: output.far)
      console.transmitQueue.kick()
      helper.join()
      #expect(console.isStopped)
    }
  }

  @Test func aBufferForWritingBreaksTheDevice() throws {
    let output = try Ends.pipe()
    let console = try ConsoleUnderTest(output: output.far)
    let address = console.memory.allocate(16)
    console.transmitQueue.add([.readable(address, 8), .writable(address + 8, 8)])
    console.transmitQueue.kick()
    #expect(console.driver.needsReset)
    let written = output.received()
    #expect(written == [])
  }

  @Test func memoryThatTheGuestMayOnlyReadIsWrittenOut() throws {
    let output = try Ends.pipe()
    let console = try ConsoleUnderTest(output: output.far)
    console.transmitQueue.add([.readable(GuardedMemory.readOnly.address, 100)])
    console.transmitQueue.kick()
    let written = output.received()
    #expect(written == console.memory.bytes(GuardedMemory.readOnly.address, count: 100))
  }
}

@Suite struct ConsoleWindowTests {
  @Test func noTerminalNoSize() throws {
    let input = try Ends.pipe()
    let console = try ConsoleUnderTest(input: input.near)
    #expect(console.driver.features & 1 << UInt64(VIRTIO_CONSOLE_F_SIZE) == 0)
    #expect(console.driver.configuration(0, as: UInt32.self) == 0)
  }

  @Test func theSizeIsTheTerminalsAndFollowsIt() throws {
    let input = try Ends.terminal()
    try Self.resize(input.far, columns: 80, rows: 24)
    let console = try ConsoleUnderTest(input: input.near)
    #expect(console.driver.features & 1 << UInt64(VIRTIO_CONSOLE_F_SIZE) != 0)
    #expect(console.driver.configuration(0, as: UInt16.self) == 80)
    #expect(console.driver.configuration(2, as: UInt16.self) == 24)
    let generation = console.driver.read(.configGeneration)

    try Self.resize(input.far, columns: 132, rows: 50)
    raise(SIGWINCH)
    #expect(console.loop.poll(timeout: patience) == 1)
    #expect(console.driver.configuration(0, as: UInt16.self) == 132)
    #expect(console.driver.configuration(2, as: UInt16.self) == 50)
    #expect(console.driver.read(.configGeneration) != generation)
    #expect(console.driver.takeInterruptStatus() == UInt32(VIRTIO_MMIO_INTERRUPT_CONFIGURATION))

    // A signal without another size is nothing to tell.
    raise(SIGWINCH)
    #expect(console.loop.poll(timeout: patience) == 1)
    #expect(console.driver.interruptCount == 1)
    console.driver.status = 0
    raise(SIGWINCH)
    #expect(console.loop.poll(timeout: 0) == 0)
  }

  @Test func theConfigurationCannotBeWritten() throws {
    let input = try Ends.terminal()
    try Self.resize(input.far, columns: 80, rows: 24)
    let console = try ConsoleUnderTest(input: input.near)
    console.driver.writeConfiguration(UInt32(0xffff_ffff), at: 0)
    console.driver.writeConfiguration(UInt32(0x41), at: 8)
    #expect(console.driver.configuration(0, as: UInt16.self) == 80)
    #expect(console.driver.configuration(8, as: UInt32.self) == 0)
  }

  private static func resize(_ terminal: Int32, columns: UInt16, rows: UInt16) throws {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = try valueOrErrno("TIOCSWINSZ", linux_ioctl_pointer(terminal, UInt(TIOCSWINSZ), &size))
  }
}

/// Reads so many bytes on a thread of its own.
private final class Reader: @unchecked Sendable {
  private let descriptor: Int32
  private var bytes: [UInt8] = []
  private let count: Int
  private var thread = pthread_t()

  init(_ descriptor: Int32, count: Int) {
    (self.descriptor, self.count) = (descriptor, count)
    _ = linux_start_thread(
      &thread,
      {
        Unmanaged<Reader>.fromOpaque($0!).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func run() {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while bytes.count < count {
      let got = read(descriptor, &buffer, buffer.count)
      if got > 0 {
        bytes += buffer[..<got]
      } else if linux_errno() != EAGAIN {
        break
      } else {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        poll(&polled, 1, -1)
      }
    }
  }

  func join() -> [UInt8] {
    pthread_join(thread, nil)
    return bytes
  }
}

/// When a pipe is full, says stop to the thread that writes to it, until it hears.
private final class Interrupter: @unchecked Sendable {
  private let target: pthread_t
  private let stopFlag: UnsafeMutablePointer<UInt8>
  private let pipe: Int32
  private var thread = pthread_t()

  init(of target: pthread_t, setting stopFlag: UnsafeMutablePointer<UInt8>, whenFull pipe: Int32) {
    (self.target, self.stopFlag, self.pipe) = (target, stopFlag, pipe)
    _ = linux_start_thread(
      &thread,
      {
        Unmanaged<Interrupter>.fromOpaque($0!).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func run() {
    var polled = pollfd(fd: pipe, events: Int16(POLLOUT), revents: 0)
    while poll(&polled, 1, 0) == 1 {}
    stopFlag.pointee = 1
    // The writer may not be inside write yet, where alone a signal does something: some more, for as long as it takes.
    for _ in 0..<1000 {
      pthread_kill(target, SIGUSR1)
      poll(nil, 0, 1)
    }
  }

  func join() { pthread_join(thread, nil) }
}
