import CLinux
import Testing

@testable import KVM
@testable import Machine
@testable import Virtio

/// The ports of a Linux machine, and the way between its serial port and two pipes.
@Suite struct LegacyPortsTests {
  private let loop = DeviceLoop(startsThread: false)
  private let input: Pipe
  private let output: Pipe
  private let console: SerialConsole
  private let ports: LegacyPorts
  private let stopFlag = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)

  final class Pipe {
    private(set) var ends: (read: Int32, write: Int32) = (-1, -1)

    init() throws {
      var both: [Int32] = [-1, -1]
      try #require(pipe2(&both, O_CLOEXEC | O_NONBLOCK) == 0)
      ends = (both[0], both[1])
    }

    deinit {
      closeWriter()
      close(ends.read)
    }

    func closeWriter() {
      if ends.write >= 0 { close(ends.write) }
      ends.write = -1
    }

    func put(_ text: String) {
      #expect(text.withCString { write(ends.write, $0, strlen($0)) } == text.utf8.count)
    }

    func take() -> String {
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(ends.read, &bytes, bytes.count)
      return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
  }

  init() throws {
    stopFlag.initialize(to: 0)
    input = try Pipe()
    output = try Pipe()
    console = SerialConsole(
      input: input.ends.read, output: output.ends.write, loop: loop,
      // No machine: the line goes nowhere.
      interrupt: InterruptLine(virtualMachine: -1, number: LegacyPorts.serialLine), stopFlag: stopFlag)
    ports = LegacyPorts(console: console)
  }

  private func send(_ port: UInt16, _ bytes: [UInt8], width: Int = 1) -> LegacyPorts.Wish {
    var bytes = bytes
    return bytes.withUnsafeMutableBytes {
      ports.serve(PortAccess(port: port, width: width, isWrite: true), data: $0)
    }
  }

  private func fetch(_ port: UInt16, count: Int = 1, width: Int = 1) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let wish = bytes.withUnsafeMutableBytes {
      ports.serve(PortAccess(port: port, width: width, isWrite: false), data: $0)
    }
    #expect(wish == .nothing)
    return bytes
  }

  private static let serial = LegacyPorts.serial

  /// As Linux sets it up: FIFO, OUT2, interrupts for input.
  private func start() {
    _ = send(Self.serial + 2, [0x01])
    _ = send(Self.serial + 4, [0x0b])
    _ = send(Self.serial + 1, [0x05])
  }

  /// Reads as a driver does until no data is ready.
  private func receive() -> String {
    var bytes: [UInt8] = []
    while fetch(Self.serial + 5)[0] & 1 != 0 { bytes += fetch(Self.serial) }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func nobodyIsAtOtherPorts() {
    #expect(fetch(0xcf8, count: 4, width: 4) == [0xff, 0xff, 0xff, 0xff])
    #expect(fetch(0x71) == [0xff])
    #expect(fetch(0x2f8, count: 6, width: 2) == [UInt8](repeating: 0xff, count: 6))
    #expect(send(0xcf8, [1, 2, 3, 4], width: 4) == .nothing)
    #expect(send(0xffff, [1, 2], width: 2) == .nothing)
  }

  @Test func theKeyboardControllerResets() {
    // There is room for a command at once.
    #expect(fetch(0x64)[0] & 0x02 == 0)
    for command: UInt8 in [0xfe, 0xf0] { #expect(send(0x64, [command]) == .end) }
    // Other lines, and other commands.
    for command: UInt8 in [0xff, 0xf1, 0x20, 0x60, 0xae, 0] { #expect(send(0x64, [command]) == .nothing) }
    #expect(send(0x60, [0xfe]) == .nothing)
  }

  @Test func theMachineIsTurnedOff() {
    #expect(send(ACPITables.sleepControl, [ACPITables.powerOffType << 2]) == .nothing)
    #expect(send(ACPITables.sleepControl, [ACPITables.powerOffType << 2 | ACPITables.sleepEnable]) == .end)
  }

  @Test func whatIsSentComesOut() {
    #expect(send(Self.serial, Array("hello".utf8)) == .nothing)
    #expect(output.take() == "hello")
  }

  /// Eight-bit ports behind a wide access.
  @Test func aWideAccessIsOneToEachPort() {
    _ = send(Self.serial + 7, [0x5a])
    #expect(fetch(Self.serial + 4, count: 4, width: 4) == [0, 0x60, 0xb0, 0x5a])
  }

  @Test func inputComesWhenItIsWanted() {
    input.put("good morning, everybody")
    #expect(receive().isEmpty)
    start()
    #expect(receive() == "good morning, everybody")
    // Later input is waited for.
    input.put("!")
    #expect(loop.poll(timeout: 0) == 1)
    #expect(receive() == "!")
    console.end()
  }

  @Test func whatADriverThrowsAwayComesAgain() {
    input.put("good morning")
    start()
    // It turns the FIFO off, and on, empties it, and only then reads.
    for control: UInt8 in [0x00, 0x01, 0x07] { _ = send(Self.serial + 2, [control]) }
    #expect(receive() == "good morning")
    console.end()
  }

  @Test func inputEnds() {
    input.put("x")
    input.closeWriter()
    start()
    #expect(receive() == "x")
    #expect(loop.poll(timeout: 0) == 0)
    console.end()
  }

  @Test func nobodyReadsTheOutput() throws {
    _ = linux_ignore_signal(SIGPIPE)
    let pipe = try Pipe()
    close(pipe.ends.read)
    let console = SerialConsole(
      input: input.ends.read, output: pipe.ends.write, loop: loop,
      interrupt: InterruptLine(virtualMachine: -1, number: 4), stopFlag: stopFlag)
    console.write(0x41, to: 0)
    guard case .closed = console.delivery else {
      Issue.record("\(console.delivery)")
      return
    }
  }
}
