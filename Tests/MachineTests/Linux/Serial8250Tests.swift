import Testing

@testable import Machine

/// The serial port against the PC16550D's data sheet, by what a driver can see.
@Suite struct Serial8250Tests {
  private var port = Serial8250()

  // Registers and bits as drivers write them.
  private static let data: UInt16 = 0, enable: UInt16 = 1, identification: UInt16 = 2, fifo: UInt16 = 2
  private static let line: UInt16 = 3, modem: UInt16 = 4, lineStatus: UInt16 = 5, modemStatus: UInt16 = 6
  private static let scratch: UInt16 = 7
  private static let dtr: UInt8 = 1, rts: UInt8 = 2, out1: UInt8 = 4, out2: UInt8 = 8, loop: UInt8 = 16

  private mutating func write(_ value: UInt8, _ register: UInt16) { _ = port.write(value, to: register) }

  /// The port as a driver has it that uses interrupts and the FIFO.
  private mutating func start(enabled: UInt8 = 0x0f, trigger: UInt8 = 0x81) {
    write(trigger, Self.fifo)
    write(Self.dtr | Self.rts | Self.out2, Self.modem)
    write(enabled, Self.enable)
  }

  @Test func afterAReset() {
    var port = port
    // Table I of the data sheet, and a line with somebody at its end.
    #expect(port.read(Self.enable) == 0)
    #expect(port.read(Self.identification) == 0x01)
    #expect(port.read(Self.line) == 0)
    #expect(port.read(Self.modem) == 0)
    #expect(port.read(Self.lineStatus) == 0x60)
    #expect(port.read(Self.modemStatus) == 0xb0)
    #expect(!port.isInterrupting)
    #expect(port.room == 1)
  }

  @Test mutating func whatIsSentGoesOut() {
    #expect(port.write(0x41, to: Self.data) == 0x41)
    #expect(port.read(Self.lineStatus) == 0x60)
  }

  @Test mutating func theDivisorLatchHidesDataAndInterruptEnable() {
    write(0x05, Self.enable)
    write(0x83, Self.line)
    #expect(port.write(0x34, to: Self.data) == nil)
    write(0x12, Self.enable)
    #expect(port.read(Self.data) == 0x34)
    #expect(port.read(Self.enable) == 0x12)
    write(0x03, Self.line)
    #expect(port.read(Self.line) == 0x03)
    #expect(port.read(Self.enable) == 0x05)
    #expect(port.write(0x34, to: Self.data) == 0x34)
  }

  @Test mutating func registersKeepTheBitsTheyHave() {
    write(0xff, Self.enable)
    #expect(port.read(Self.enable) == 0x0f)
    write(0xff, Self.modem)
    #expect(port.read(Self.modem) == 0x1f)
    write(0xa5, Self.scratch)
    #expect(port.read(Self.scratch) == 0xa5)
    write(0xff, Self.lineStatus)
    #expect(port.read(Self.lineStatus) == 0x60)
  }

  /// By this drivers tell a 16550A from what came before.
  @Test mutating func identificationSaysWhetherTheFIFOIsOn() {
    write(0x01, Self.fifo)
    #expect(port.read(Self.identification) == 0xc1)
    write(0x00, Self.fifo)
    #expect(port.read(Self.identification) == 0x01)
  }

  @Test mutating func aByteIsReceivedAndRead() {
    start(enabled: 0x01, trigger: 0x01)
    port.receive(0x61)
    #expect(port.isInterrupting)
    #expect(port.read(Self.lineStatus) == 0x61)
    #expect(port.read(Self.identification) == 0xc4)
    // Only reading the data takes it away.
    #expect(port.read(Self.identification) == 0xc4)
    #expect(port.read(Self.data) == 0x61)
    #expect(!port.isInterrupting)
    #expect(port.read(Self.lineStatus) == 0x60)
    #expect(port.read(Self.data) == 0)
  }

  @Test mutating func belowTheTriggerThereIsATimeout() {
    start(enabled: 0x01, trigger: 0x41)  // 4 bytes
    for byte: UInt8 in 1...3 { port.receive(byte) }
    #expect(port.isInterrupting)
    #expect(port.read(Self.identification) == 0xcc)
    port.receive(4)
    #expect(port.read(Self.identification) == 0xc4)
    for byte: UInt8 in 1...4 { #expect(port.read(Self.data) == byte) }
    #expect(port.read(Self.identification) == 0xc1)
  }

  @Test(arguments: [(UInt8(0x01), 1), (0x41, 4), (0x81, 8), (0xc1, 14)])
  mutating func triggers(control: UInt8, count: Int) {
    start(enabled: 0x01, trigger: control)
    for byte in 1..<count {
      port.receive(UInt8(byte))
      #expect(port.read(Self.identification) == 0xcc)
    }
    port.receive(0)
    #expect(port.read(Self.identification) == 0xc4)
  }

  @Test mutating func aFullFIFOKeepsWhatItHas() {
    start()
    for byte: UInt8 in 0..<16 { port.receive(byte) }
    #expect(port.room == 0)
    port.receive(99)
    #expect(port.read(Self.identification) == 0xc6)
    #expect(port.read(Self.lineStatus) == 0x63)
    // Reading the line status takes the overrun away, and the data is next.
    #expect(port.read(Self.identification) == 0xc4)
    for byte: UInt8 in 0..<16 { #expect(port.read(Self.data) == byte) }
    #expect(port.room == 16)
  }

  @Test mutating func withoutFIFOTheLastByteWins() {
    port.receive(1)
    #expect(port.room == 0)
    port.receive(2)
    #expect(port.read(Self.lineStatus) == 0x63)
    #expect(port.read(Self.data) == 2)
  }

  @Test mutating func emptinessIsNewsOnce() {
    start(enabled: 0)
    #expect(!port.isInterrupting)
    write(0x02, Self.enable)
    #expect(port.isInterrupting)
    #expect(port.read(Self.identification) == 0xc2)
    #expect(!port.isInterrupting)
    #expect(port.read(Self.identification) == 0xc1)
    // The next byte makes the next interrupt.
    write(0x41, Self.data)
    #expect(port.isInterrupting)
    #expect(port.read(Self.identification) == 0xc2)
    #expect(port.read(Self.identification) == 0xc1)
  }

  /// Drivers do this to find ports that lose the interrupt.
  @Test mutating func enablingItAgainBringsTheEmptyInterruptBack() {
    start(enabled: 0x02)
    #expect(port.read(Self.identification) == 0xc2)
    write(0x00, Self.enable)
    write(0x02, Self.enable)
    #expect(port.read(Self.identification) == 0xc2)
  }

  @Test mutating func aHigherInterruptDoesNotTakeALowerOne() {
    start()
    #expect(port.isInterrupting)
    port.receive(7)
    #expect(port.read(Self.identification) == 0xcc)
    #expect(port.read(Self.data) == 7)
    #expect(port.read(Self.identification) == 0xc2)
  }

  @Test mutating func withoutOutput2NoInterruptGetsThrough() {
    write(0x0f, Self.enable)
    port.receive(1)
    #expect(port.read(Self.identification) == 0x04)
    #expect(!port.isInterrupting)
    write(Self.out2, Self.modem)
    #expect(port.isInterrupting)
  }

  /// By this drivers tell that there is a port at all.
  @Test mutating func inLoopModeOutputsAreInputs() {
    let cases: [(outputs: UInt8, inputs: UInt8)] = [
      (Self.dtr, 0x20), (Self.rts, 0x10), (Self.out1, 0x40), (Self.out2, 0x80), (Self.out2 | Self.rts, 0x90),
    ]
    for (outputs, inputs) in cases {
      write(Self.loop | outputs, Self.modem)
      #expect(port.read(Self.modemStatus) & 0xf0 == inputs)
    }
    write(0, Self.modem)
    #expect(port.read(Self.modemStatus) & 0xf0 == 0xb0)
  }

  @Test mutating func modemStatusSaysWhatChanged() {
    write(Self.loop, Self.modem)
    // All three went away. The ring indicator was not there and is not.
    #expect(port.read(Self.modemStatus) == 0x0b)
    #expect(port.read(Self.modemStatus) == 0x00)
    write(Self.loop | Self.out1, Self.modem)
    // That it rings is no change; that it stops to is.
    #expect(port.read(Self.modemStatus) == 0x40)
    write(Self.loop, Self.modem)
    #expect(port.read(Self.modemStatus) == 0x04)
  }

  @Test mutating func inLoopModeDataComesBackAndNothingGoesOut() {
    start()
    write(Self.loop, Self.modem)
    #expect(port.room == 0)
    #expect(port.write(0x55, to: Self.data) == nil)
    #expect(port.read(Self.lineStatus) == 0x61)
    #expect(!port.isInterrupting)
    #expect(port.unreadFromLine.isEmpty)
    #expect(port.read(Self.data) == 0x55)
  }

  @Test(arguments: [UInt8(0x03), 0x00]) mutating func theFIFOIsEmptiedByAResetAndByTurningItOff(control: UInt8) {
    start(enabled: 0x01)
    port.receive(1)
    #expect(port.unreadFromLine == [1])
    write(control, Self.fifo)
    #expect(port.unreadFromLine.isEmpty)
    #expect(port.read(Self.lineStatus) == 0x60)
    #expect(!port.isInterrupting)
  }

  /// Nothing that a driver can do brings it out of its bounds.
  @Test mutating func anyAccessesInAnyOrder() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let register = UInt16.random(in: 0..<Serial8250.portCount, using: &random)
      switch UInt8.random(in: 0..<3, using: &random) {
      case 0: _ = port.read(register)
      case 1: write(.random(in: 0...255, using: &random), register)
      default: port.receive(.random(in: 0...255, using: &random))
      }
      #expect((0...16).contains(port.room))
    }
  }
}
