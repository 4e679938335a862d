import CKVM
import KVM
import MachineABI

/// Collects what can be known of a guest at the moment it failed.
struct PanicCollector {
  let layout: MachineLayout

  /// As many frames as a panic keeps: enough for any real chain, and a bound on a forged one.
  static let frameLimit = 128
  /// Exceptions that push an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX (Intel SDM volume 3, table 6-1; AMD volume 2, 8.2).
  private static let vectorsWithErrorCode: UInt64 =
    1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30

  /// For a guest that is in ring 0, in the stub of an exception's vector.
  func collectTrap(
    vector: UInt32, _ vcpu: borrowing VCPU, _ memory: borrowing GuestMemory
  ) throws(SystemCallError) -> GuestPanic {
    var registers = GuestRegisters(try vcpu.registers())
    let address = try vcpu.specialRegisters().cr2
    let vector = UInt8(truncatingIfNeeded: vector)
    let hasErrorCode = vector < 32 && Self.vectorsWithErrorCode >> UInt64(vector) & 1 != 0

    // The processor's frame: error code if any, RIP, CS, RFLAGS, RSP, SS (Intel SDM volume 3, figure 6-9).
    var frame = registers.rsp
    let errorCode = hasErrorCode ? memory.load(frame) ?? 0 : 0
    if hasErrorCode { frame &+= 8 }
    registers.rip = memory.load(frame) ?? 0
    registers.rflags = memory.load(frame &+ 16) ?? 0
    registers.rsp = memory.load(frame &+ 24) ?? 0
    return panic(.exception(vector: vector, errorCode: errorCode, address: address), registers, memory)
  }

  /// For a guest that stopped anywhere else.
  func collect(
    _ cause: GuestPanic.Cause, _ vcpu: borrowing VCPU, _ memory: borrowing GuestMemory
  ) throws(SystemCallError) -> GuestPanic {
    panic(cause, GuestRegisters(try vcpu.registers()), memory)
  }

  func panic(
    _ cause: GuestPanic.Cause, _ registers: GuestRegisters, _ memory: borrowing GuestMemory
  ) -> GuestPanic {
    GuestPanic(
      cause: cause, message: message(memory), registers: registers, frames: frames(from: registers, memory))
  }

  private func message(_ memory: borrowing GuestMemory) -> String {
    let page = memory.host(layout.sharedPage, count: Int(NEEDLETAIL_SHARED_PAGE_SIZE))!
      .assumingMemoryBound(to: SharedPage.self)
    let length = min(Int(page.pointee.panic_length), Int(NEEDLETAIL_PANIC_MESSAGE_SIZE))
    let bytes = UnsafeRawBufferPointer(start: needletail_shared_panic_message(page), count: length)
    var message = String(decoding: bytes, as: UTF8.self)
    // The guest's words go to a terminal: no control character may reach it.
    message.unicodeScalars.removeAll {
      $0.value < 0x20 && $0 != "\n" && $0 != "\t" || $0.value == 0x7f || 0x80..<0xa0 ~= $0.value
    }
    while message.unicodeScalars.last == "\n" { message.unicodeScalars.removeLast() }
    return message
  }

  /// Follows the chain of frame pointers.
  private func frames(from registers: GuestRegisters, _ memory: borrowing GuestMemory) -> [UInt64] {
    var frames = [registers.rip]
    // A jump to where no code is: the caller is on top of the stack, and the frame pointer still is that caller's.
    if !isCode(registers.rip), let caller = memory.load(registers.rsp), isCode(caller) { frames.append(caller) }
    var frame = registers.rbp & ~Self.asyncFrameMark
    while frames.count < Self.frameLimit {
      guard frame % 8 == 0, let next = memory.load(frame), let caller = memory.load(frame &+ 8), isCode(caller) else {
        break
      }
      frames.append(caller)
      // Frames lie further and further up a stack: anything else is forged or garbage.
      let outer = next & ~Self.asyncFrameMark
      guard outer > frame else { break }
      frame = outer
    }
    return frames
  }

  /// Swift marks the frame pointers of asynchronous functions with this bit (swift-async-fp, LLVM's X86FrameLowering).
  private static let asyncFrameMark: UInt64 = 1 << 60

  private func isCode(_ address: UInt64) -> Bool {
    layout.imageBase..<layout.imageBase + layout.imageSize ~= address
  }
}
