import CDemangle
import KVM
import MachineABI

/// A guest's panic in words: why, where, and with which registers.
public struct PanicReport: ~Copyable {
  private let panic: GuestPanic
  private let imageBias: UInt64
  private let stack: Range<UInt64>
  private let readsFile: Bool
  private let symbols: SymbolTable?
  private let debugInformation: DebugInformation?

  /// The report on a machine that panicked, several lines.
  ///
  /// Symbols and debug information are read in a child process, because a crafted image can make that endless; if the child
  /// does not come through, the report does without them and says so.
  public static func text(_ panic: GuestPanic, _ machine: borrowing Machine, image: borrowing Image) -> String {
    let imageBias = machine.imageBias, stack = machine.stack
    let complete = ConfinedChild.run {
      PanicReport(panic, imageBias, stack, image, readsFile: true).text()
    }
    if let complete { return complete }
    return PanicReport(panic, imageBias, stack, image, readsFile: false).text()
      + "  (the image's symbols could not be read in time)\n"
  }

  private init(
    _ panic: GuestPanic, _ imageBias: UInt64, _ stack: Range<UInt64>, _ image: borrowing Image,
    readsFile: Bool
  ) {
    self.panic = panic
    self.imageBias = imageBias
    self.stack = stack
    self.readsFile = readsFile
    symbols = readsFile ? SymbolTable(of: image) : nil
    debugInformation = readsFile ? DebugInformation(ofFile: image.file.rawValue) : nil
  }

  private func text() -> String {
    var text = "guest panic: \(cause)\n"
    if !panic.message.isEmpty {
      // Marked, so that a guest's words cannot pass for lines of the report.
      let message = panic.message.split(separator: "\n").joined(separator: "\n  | ")
      text = "guest panic: \(message)\n" + (isTrapInstruction ? "" : "  \(cause)\n")
    }
    text += backtrace
    if readsFile, symbols == nil { text += "  (the image has no symbols; its frames are offsets from its start)\n" }
    return text + registers
  }

  // MARK: Why

  /// Exception vectors (Intel SDM volume 3, table 6-1).
  private enum Vector {
    static let divideError: UInt8 = 0
    static let breakpoint: UInt8 = 3
    static let invalidOpcode: UInt8 = 6
    static let generalProtection: UInt8 = 13
    static let pageFault: UInt8 = 14
  }

  private var isTrapInstruction: Bool {
    if case .exception(Vector.invalidOpcode, _, _) = panic.cause { true } else { false }
  }

  /// The cause in a few words.
  private var cause: String {
    switch panic.cause {
    case .exception(Vector.pageFault, let errorCode, let address): return pageFault(errorCode, address)
    case .exception(Vector.invalidOpcode, _, _):
      if let reason = trapReason { return reason }
      return "trap or illegal instruction"
    case .exception(Vector.divideError, _, _): return "division by zero"
    case .exception(Vector.breakpoint, _, _): return "breakpoint"
    case .exception(Vector.generalProtection, let errorCode, _):
      return "general protection fault (privileged instruction or non-canonical address), error code \(errorCode)"
    case .exception(let vector, let errorCode, _): return "exception \(vector), error code \(errorCode)"
    case .emulationFailure(let suberror):
      return
        "KVM could not emulate an instruction (suberror \(suberror)): it accessed the control page in an unusual way,"
        + " or the image's file became shorter"
    case .memoryFault:
      return "access to memory that the host does not allow: a write to the read-only image by ring 0,"
        + " or the image's file became shorter"
    case .tripleFault: return "triple fault"
    case .controlPageMisuse(let offset, let byteCount, let isWrite):
      return "\(isWrite ? "write" : "read") of \(byteCount) bytes at control page offset \(offset.hexadecimal);"
        + " expected a 4-byte write to one of its registers"
    case .entryFailure(let reason): return "the processor refused the guest's state (reason \(reason.hexadecimal))"
    }
  }

  /// What Swift would have said, from the debug information; nil if that does not know.
  private var trapReason: String? {
    debugInformation?.trapReason(at: panic.registers.rip &- imageBias)
  }

  /// Page-fault error codes (Intel SDM volume 3, figure 4-12).
  private func pageFault(_ errorCode: UInt64, _ address: UInt64) -> String {
    let wasPresent = errorCode & 1 != 0, isWrite = errorCode & 2 != 0, isFetch = errorCode & 16 != 0
    let access = isFetch ? "executing" : isWrite ? "writing" : "reading"
    let fault = "page fault on address \(address.hexadecimal) while \(access)"
    if address < UInt64(pageSize) { return "null pointer: \(fault)" }
    if stack.lowerBound - Self.stackOverflowReach..<stack.lowerBound ~= address { return "stack overflow: \(fault)" }
    if isFetch, wasPresent { return "execution of data: \(fault)" }
    if isWrite, wasPresent { return "write to read-only memory: \(fault)" }
    return fault
  }

  /// How far below the stack a fault still is taken for its overflow: frames can be large, and nothing is mapped there.
  private static let stackOverflowReach: UInt64 = 1 << 20

  // MARK: Where

  /// A line for each frame; a run of the same one, as recursion leaves it, is told once with its length.
  private var backtrace: String {
    var text = ""
    var index = 0
    while index < panic.frames.count {
      let address = panic.frames[index]
      var end = index + 1
      while end < panic.frames.count, panic.frames[end] == address { end += 1 }
      text += frame(index, address)
      if end - index > 1 { text += "     ... the same \(end - index - 1) more times\n" }
      index = end
    }
    if index == PanicCollector.frameLimit { text += "     ... and possibly more frames\n" }
    return text
  }

  private func frame(_ index: Int, _ address: UInt64) -> String {
    let linkAddress = address &- imageBias
    // A return address belongs to the call before it.
    let site = index == 0 ? linkAddress : linkAddress &- 1
    let number = index < 10 ? " \(index)" : "\(index)"
    var text = "  \(number) \(address.hexadecimal) "
    if let symbol = symbols?.symbol(at: site) {
      text += "\(Self.demangled(symbol.name)) + \(symbol.offset &+ (index == 0 ? 0 : 1))"
    } else {
      text += "image + \(linkAddress.hexadecimal)"
    }
    let sources = debugInformation?.frames(at: site) ?? []
    // What the compiler generated and inlined has line 0; the line that it was inlined into says more.
    if let source = sources.first(where: { $0.line > 0 }) {
      text += " at \(Self.shortened(source.file)):\(source.line)"
    }
    return text + "\n"
  }

  /// The last two components: module folder and file, as `#fileID` has them.
  private static func shortened(_ path: String) -> String {
    path.split(separator: "/").suffix(2).joined(separator: "/")
  }

  private static func demangled(_ name: String) -> String {
    // The longest name that the report shows.
    let capacity = 1024
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
      var name = name
      let length = name.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          needletail_demangle($0.baseAddress, $0.count, buffer.baseAddress, capacity)
        }
      }
      guard length > 0 else { return name }
      return String(decoding: UnsafeRawBufferPointer(start: buffer.baseAddress, count: length), as: UTF8.self)
    }
  }

  // MARK: Registers

  private var registers: String {
    let r = panic.registers
    let rows: [[(String, UInt64)]] = [
      [("rip", r.rip), ("rsp", r.rsp), ("rbp", r.rbp), ("flags", r.rflags)],
      [("rax", r.rax), ("rbx", r.rbx), ("rcx", r.rcx), ("rdx", r.rdx)],
      [("rsi", r.rsi), ("rdi", r.rdi), ("r8", r.r8), ("r9", r.r9)],
      [("r10", r.r10), ("r11", r.r11), ("r12", r.r12), ("r13", r.r13)],
      [("r14", r.r14), ("r15", r.r15), ("image", imageBias)],
    ]
    return rows.map { row in
      "  " + row.map { "\($0.0) \($0.1.hexadecimal)" }.joined(separator: "  ") + "\n"
    }.joined()
  }
}
