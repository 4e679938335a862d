/// The registers of a serial port with FIFOs, National Semiconductor's PC16550D, as far as programs can tell it from one
/// whose line takes no time: what is sent is gone at once, and what is received has always been there long enough for the
/// character timeout. There are no modem, line errors or breaks. Divisor and line format are kept, and mean nothing.
///
/// Section numbers are those of the PC16550D's data sheet.
struct Serial8250 {
  /// Registers by their addresses (section 8.0, table II); which of several depends on direction and DLAB.
  private enum Register {
    static let data: UInt16 = 0  // receiver buffer, transmitter holding; divisor latch, low
    static let interruptEnable: UInt16 = 1  // divisor latch, high
    static let interruptIdentification: UInt16 = 2  // FIFO control
    static let lineControl: UInt16 = 3
    static let modemControl: UInt16 = 4
    static let lineStatus: UInt16 = 5
    static let modemStatus: UInt16 = 6
    static let scratch: UInt16 = 7
  }
  /// How many ports there are.
  static let portCount: UInt16 = 8

  /// 8.7
  private enum InterruptEnable {
    static let received: UInt8 = 1 << 0
    static let transmitterEmpty: UInt8 = 1 << 1
    static let lineStatus: UInt8 = 1 << 2
    static let modemStatus: UInt8 = 1 << 3
    static let all: UInt8 = 0x0f
  }
  /// 8.6, table V, in the order of their priority
  private enum Identification {
    static let lineStatus: UInt8 = 0x06
    static let received: UInt8 = 0x04
    static let timeout: UInt8 = 0x0c
    static let transmitterEmpty: UInt8 = 0x02
    static let modemStatus: UInt8 = 0x00
    static let none: UInt8 = 0x01
    static let hasFIFO: UInt8 = 0xc0
  }
  /// 8.5
  private enum FIFOControl {
    static let enable: UInt8 = 1 << 0
    static let resetReceiver: UInt8 = 1 << 1
    /// Bytes in the FIFO that make an interrupt, by bits 7 and 6.
    static let triggers: [Int] = [1, 4, 8, 14]
  }
  /// 8.1
  private static let divisorLatchAccess: UInt8 = 1 << 7
  /// 8.4
  private enum LineStatus {
    static let dataReady: UInt8 = 1 << 0
    static let overrun: UInt8 = 1 << 1
    /// The holding register and the shift register are empty: they always are.
    static let transmitterEmpty: UInt8 = 1 << 5 | 1 << 6
  }
  /// 8.8
  private enum ModemControl {
    static let output2: UInt8 = 1 << 3
    static let loop: UInt8 = 1 << 4
    static let all: UInt8 = 0x1f
  }
  /// 8.9: clear to send, data set ready, carrier: somebody is at the other end.
  private static let connected: UInt8 = 0xb0
  private static let fifoSize = 16

  private var divisor: UInt16 = 12  // 9600 baud, as firmware leaves it
  private var interruptEnable: UInt8 = 0
  private var isFIFOEnabled = false
  private var trigger = 1
  private var lineControl: UInt8 = 0
  private var modemControl: UInt8 = 0
  private var modemStatus: UInt8 = connected
  private var scratch: UInt8 = 0
  private var hasOverrun = false
  /// What was received and not read: up to `capacity` bytes.
  private var received: [UInt8] = [] {
    didSet { if received.isEmpty { hasLooped = false } }
  }
  /// Whether some of it never was on the line.
  private var hasLooped = false
  /// Whether the interrupt that says the transmitter is empty has not been taken.
  private var isEmptinessNews = false

  init() {
    received.reserveCapacity(Self.fifoSize)
  }

  // MARK: The line

  /// How many bytes can be received without one being lost; none in loop mode, which takes the line away.
  var room: Int { isLooping ? 0 : max(capacity - received.count, 0) }

  /// Whether the guest wants to be interrupted for what is received.
  var wantsInput: Bool { interruptEnable & InterruptEnable.received != 0 }

  /// A byte comes down the line.
  mutating func receive(_ byte: UInt8) {
    if received.count < capacity { return received.append(byte) }
    hasOverrun = true
    // 8.4, bit 1: a FIFO keeps what it has, the single register takes what comes.
    if !isFIFOEnabled { received[0] = byte }
  }

  /// What came down the line and was not read; nothing once there is something of the guest's own in between.
  var unreadFromLine: [UInt8] { hasLooped ? [] : received }

  /// The interrupt line. OUT2 is what lets it through to the interrupt controller in a PC, and it is inactive in loop mode.
  var isInterrupting: Bool {
    modemControl & ModemControl.output2 != 0 && !isLooping && pending != Identification.none
  }

  private var capacity: Int { isFIFOEnabled ? Self.fifoSize : 1 }
  private var isLooping: Bool { modemControl & ModemControl.loop != 0 }
  private var accessesDivisor: Bool { lineControl & Self.divisorLatchAccess != 0 }

  /// The interrupt of the highest priority that is enabled and there.
  private var pending: UInt8 {
    if interruptEnable & InterruptEnable.lineStatus != 0, hasOverrun { return Identification.lineStatus }
    if interruptEnable & InterruptEnable.received != 0, !received.isEmpty {
      return isFIFOEnabled && received.count < trigger ? Identification.timeout : Identification.received
    }
    if interruptEnable & InterruptEnable.transmitterEmpty != 0, isEmptinessNews {
      return Identification.transmitterEmpty
    }
    if interruptEnable & InterruptEnable.modemStatus != 0, modemStatus & 0x0f != 0 { return Identification.modemStatus }
    return Identification.none
  }

  // MARK: Registers

  /// Reads a register, with what that changes.
  ///
  /// - Parameter register: below `portCount`.
  mutating func read(_ register: UInt16) -> UInt8 {
    switch register {
    case Register.data where accessesDivisor: return UInt8(truncatingIfNeeded: divisor)
    case Register.data: return received.isEmpty ? 0 : received.removeFirst()
    case Register.interruptEnable where accessesDivisor: return UInt8(truncatingIfNeeded: divisor >> 8)
    case Register.interruptEnable: return interruptEnable
    case Register.interruptIdentification:
      let pending = pending
      // Table V: reading it takes this one, and this one only.
      if pending == Identification.transmitterEmpty { isEmptinessNews = false }
      return pending | (isFIFOEnabled ? Identification.hasFIFO : 0)
    case Register.lineControl: return lineControl
    case Register.modemControl: return modemControl
    case Register.lineStatus:
      let status =
        LineStatus.transmitterEmpty | (received.isEmpty ? 0 : LineStatus.dataReady)
        | (hasOverrun ? LineStatus.overrun : 0)
      hasOverrun = false
      return status
    case Register.modemStatus:
      let status = modemStatus
      // 8.9: the lower half says what changed since it was last read.
      modemStatus &= 0xf0
      return status
    default: return scratch
    }
  }

  /// Writes a register; returns the byte that goes out on the line, if one does.
  ///
  /// - Parameter register: below `portCount`.
  mutating func write(_ value: UInt8, to register: UInt16) -> UInt8? {
    switch register {
    case Register.data where accessesDivisor: divisor = divisor & 0xff00 | UInt16(value)
    case Register.data:
      // Empty again at once.
      isEmptinessNews = true
      guard isLooping else { return value }
      receive(value)
      hasLooped = true
    case Register.interruptEnable where accessesDivisor: divisor = divisor & 0x00ff | UInt16(value) << 8
    case Register.interruptEnable:
      // 8.7, bit 1, and 8.6: enabled while the register is empty, the interrupt comes.
      let enabled = value & ~interruptEnable
      if enabled & InterruptEnable.transmitterEmpty != 0 { isEmptinessNews = true }
      interruptEnable = value & InterruptEnable.all
    case Register.interruptIdentification: writeFIFOControl(value)
    case Register.lineControl: lineControl = value
    case Register.modemControl: writeModemControl(value)
    // 8.4: the line status is for reading.
    case Register.lineStatus, Register.modemStatus: break
    default: scratch = value
    }
    return nil
  }

  private mutating func writeFIFOControl(_ value: UInt8) {
    let enables = value & FIFOControl.enable != 0
    // 8.5, bit 0: going from one mode to the other empties the FIFOs, and without it the other bits do nothing.
    if enables != isFIFOEnabled || enables && value & FIFOControl.resetReceiver != 0 {
      received.removeAll(keepingCapacity: true)
    }
    isFIFOEnabled = enables
    trigger = enables ? FIFOControl.triggers[Int(value >> 6)] : 1
  }

  private mutating func writeModemControl(_ value: UInt8) {
    modemControl = value & ModemControl.all
    // 8.8, bit 4: in loop mode the outputs are the inputs. DTR, RTS, OUT1, OUT2 are DSR, CTS, RI, DCD.
    var inputs = Self.connected
    if isLooping {
      inputs = (value & 1) << 5 | (value & 2) << 3 | (value & 4) << 4 | (value & 8) << 4
    }
    let changed = inputs ^ modemStatus & 0xf0
    // Of the ring indicator (bit 6) only its end counts.
    let counted = changed & ~(1 << 6) | changed & modemStatus & 1 << 6
    modemStatus = inputs | modemStatus & 0x0f | counted >> 4
  }
}
