import CLinux
import KVM
import Virtio

/// A serial port between a guest and the monitor's console. Input is taken only while the guest wants to be interrupted for
/// it and has room, so whatever it does not want stays with the kernel, for whoever writes it to wait.
final class SerialConsole {
  private var port = Serial8250()
  private var input: ConsoleInput
  private let output: Int32
  private let loop: DeviceLoop
  private let interrupt: InterruptLine
  private var isInterrupting = false
  /// What comes down the line again: up to a FIFO's worth that the guest threw away unread.
  private var held: [UInt8] = []
  private var isWatchingInput = false
  private var hasInputEnded = false
  /// A byte that is set when the machine is to stop. Invariant: it stays valid as long as this value lives.
  private let stopFlag: UnsafePointer<UInt8>
  /// What became of the output; once it is not `written` any more, nothing more is written.
  private(set) var delivery = ConsoleDevice.Delivery.written

  /// - Parameters:
  ///   - input, output: stay the caller's.
  ///   - loop: waits for input, and has the lock under which everything here happens.
  ///   - interrupt: usable until `end()` has returned.
  init(input: Int32, output: Int32, loop: DeviceLoop, interrupt: InterruptLine, stopFlag: UnsafePointer<UInt8>) {
    self.input = ConsoleInput(descriptor: input, stopFlag: stopFlag)
    self.output = output
    self.loop = loop
    self.interrupt = interrupt
    self.stopFlag = stopFlag
  }

  /// The guest reads a register. Call without the lock.
  func read(_ register: UInt16) -> UInt8 {
    loop.withLock {
      let value = port.read(register)
      update()
      return value
    }
  }

  /// The guest writes a register. Call without the lock.
  func write(_ value: UInt8, to register: UInt16) {
    loop.withLock {
      let unread = port.unreadFromLine
      if let byte = port.write(value, to: register) { send(byte) }
      // Drivers empty FIFOs when they set a port up, which would swallow the start of what somebody typed or sent ahead.
      if !unread.isEmpty, port.unreadFromLine.isEmpty { held = unread + held }
      update()
    }
  }

  /// Takes no more input. Call without the lock.
  func end() {
    loop.withLock { stopWatchingInput() }
  }

  private func send(_ byte: UInt8) {
    guard case .written = delivery else { return }
    var byte = byte
    do throws(SystemCallError) {
      try withUnsafeBytes(of: &byte) { bytes throws(SystemCallError) in
        try FileDescriptor.writeAll(bytes, to: output, stopFlag: stopFlag)
      }
    } catch {
      switch error.code {
      case EPIPE: delivery = .closed
      case EINTR: delivery = .stopped
      default: delivery = .failed(error)
      }
    }
  }

  /// Takes what input there is, and drives the interrupt line as the port does.
  private func update() {
    receive()
    guard port.isInterrupting != isInterrupting else { return }
    isInterrupting = port.isInterrupting
    // It fails only for a machine without interrupt controllers.
    try? interrupt.set(isInterrupting)
  }

  private func receive() {
    while port.wantsInput, port.room > 0, !held.isEmpty { port.receive(held.removeFirst()) }
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    while !hasInputEnded, port.wantsInput, port.room > 0 {
      var span = bytes.mutableSpan
      let room = port.room
      let reading = span.withUnsafeMutableBufferPointer { buffer in
        input.read(into: [UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[..<room]))])
      }
      switch reading {
      case .bytes(let count): for index in 0..<count { port.receive(bytes[index]) }
      case .nothing:
        do throws(SystemCallError) {
          return try watchInput()
        } catch {
          if error.code == EPERM, input.readAtOnce() { continue }
          hasInputEnded = true
        }
      case .end: hasInputEnded = true
      case .stopped: return
      }
    }
    stopWatchingInput()
  }

  private func watchInput() throws(SystemCallError) {
    guard !isWatchingInput else { return }
    // The closure and with it this object live until `stopWatchingInput()`.
    try loop.watch(input.descriptor, for: .readable) { self.update() }
    isWatchingInput = true
  }

  private func stopWatchingInput() {
    guard isWatchingInput else { return }
    loop.stopWatching(input.descriptor)
    isWatchingInput = false
  }
}
