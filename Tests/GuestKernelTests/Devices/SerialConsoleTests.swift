import MachineABI
import Testing

@testable import GuestKernel

/// The console of a machine that has a serial port and no virtio console.
@MainActor @Suite struct SerialConsoleTests {
  /// What has arrived on a serial port in this process.
  private final class FakePort: ByteSource {
    nonisolated(unsafe) var bytes: [UInt8] = []
    func next() -> UInt8? { bytes.isEmpty ? nil : bytes.removeFirst() }
  }

  private let port = FakePort()
  private let driver: SerialConsoleDriver<FakePort>

  init() {
    driver = SerialConsoleDriver(
      DeviceRecord(
        name: "console", kind: UInt32(VIRTIO_ID_CONSOLE), registers: 0, isReset: false, sendsMessages: false,
        isSerial: true), source: port, maximumLineLength: 80)
  }

  @Test func bytesStayInThePortUntilATaskWantsThem() async {
    port.bytes = Array("line\n".utf8)
    driver.serve()
    #expect(driver.prepareToIdle() == .nobodyWaits)
    #expect(port.bytes.count == 5)
    nonisolated(unsafe) let input = driver.input
    let task = Task { @MainActor in await input.wait() }
    while !driver.input.isAwaited { await Task.yield() }
    // They came before the task: no interrupt will tell of them.
    #expect(driver.prepareToIdle() == .hasWork)
    await task.value
    #expect(driver.input.lines.takeLine { _ in } == .line(Array("line".utf8)))
    #expect(!driver.input.lines.isTerminal)
  }

  @Test func anEmptyPortIsWaitedFor() async {
    nonisolated(unsafe) let input = driver.input
    let task = Task { @MainActor in await input.wait() }
    while !driver.input.isAwaited { await Task.yield() }
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    port.bytes = Array(repeating: 0x78, count: 100)
    driver.serve()
    await task.value
    #expect(driver.input.lines.hasInput)
    // More than one look's worth: the rest is for the next.
    #expect(port.bytes.count == 36)
  }

  @Test func endOfTransmissionIsTheEnd() async {
    nonisolated(unsafe) let input = driver.input
    let task = Task { @MainActor in await input.wait() }
    while !driver.input.isAwaited { await Task.yield() }
    port.bytes = Array("last\u{4}more".utf8)
    driver.serve()
    await task.value
    #expect(driver.input.lines.takeLine { _ in } == .line(Array("last".utf8)))
    #expect(driver.input.lines.takeLine { _ in } == .end)
  }
}
