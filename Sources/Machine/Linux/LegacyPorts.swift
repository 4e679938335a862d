import KVM

/// The I/O ports of a Linux machine that KVM does not answer for itself: a serial port, as much of a keyboard controller as
/// resets the machine, and the register that turns it off. All others read as ones, and take writes without effect, as
/// where no card is.
struct LegacyPorts {
  /// What the guest wants with an access.
  enum Wish: Equatable {
    case nothing
    /// The machine is to end: to start anew, or to be turned off.
    case end
  }

  /// COM1, and its interrupt line.
  static let serial: UInt16 = 0x3f8
  static let serialLine: UInt32 = 4

  /// Status when read, commands when written (IBM Personal Computer AT technical reference, "Keyboard Controller").
  static let keyboardController: UInt16 = 0x64
  /// There is always a byte to take, and always room for a command: drivers that look for a keyboard take bytes until they
  /// find that this is none, while those that want to reset the machine do not have to wait.
  private static let keyboardStatus: UInt8 = 0x01
  /// "Pulse output port": the lines whose bits are 0 go low for a moment, and the first of them is the reset.
  private static let pulse: UInt8 = 0xf0
  private static let resetLine: UInt8 = 1 << 0
  /// The command that everybody uses.
  static let resetCommand: UInt8 = 0xfe

  let console: SerialConsole

  /// Serves an access. An access to several ports at once is one to each of them, as on a bus of eight bits.
  ///
  /// - Parameter data: the access's width, as many times as it is repeated; gets what is read.
  func serve(_ access: PortAccess, data: UnsafeMutableRawBufferPointer) -> Wish {
    for offset in data.indices {
      let port = access.port &+ UInt16(offset % access.width)
      if access.isWrite {
        guard write(data[offset], to: port) == .nothing else { return .end }
      } else {
        data[offset] = read(port)
      }
    }
    return .nothing
  }

  private func read(_ port: UInt16) -> UInt8 {
    switch port {
    case Self.serial..<Self.serial + Serial8250.portCount: console.read(port - Self.serial)
    case Self.keyboardController: Self.keyboardStatus
    default: .max
    }
  }

  private func write(_ value: UInt8, to port: UInt16) -> Wish {
    switch port {
    case Self.serial..<Self.serial + Serial8250.portCount: console.write(value, to: port - Self.serial)
    case Self.keyboardController where value & Self.pulse == Self.pulse && value & Self.resetLine == 0: return .end
    case ACPITables.sleepControl where value & ACPITables.sleepEnable != 0: return .end
    default: break
    }
    return .nothing
  }
}
