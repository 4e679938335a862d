import MachineABI
import Testing

@testable import GuestKernel

@MainActor @Suite struct ConsoleDriverTests {
  private static func open(_ features: [Int32] = []) throws -> (ConsoleDriver<FakeDevice>, FakeDevice) {
    let device = FakeDevice()
    device.kind = UInt32(VIRTIO_ID_CONSOLE)
    device.features = ([VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX] + features).reduce(0) { $0 | feature($1) }
    let driver = try ConsoleDriver.open(device.record(), page: device, maximumLineLength: 80)
    return (driver, device)
  }

  private static func settle() async {
    for _ in 0..<200 { await Task.yield() }
  }

  private static func type(_ text: String, on device: FakeDevice) throws {
    let chain = try #require(device.takeAvailable())
    chain.writable[0].copyBytes(from: text.utf8)
    device.complete(id: UInt32(chain.head), written: UInt32(text.utf8.count))
  }

  private static func line(_ text: String) -> LineBuffer.Outcome { .line(Array(text.utf8)) }

  @Test func inputArrives() async throws {
    let (driver, device) = try Self.open()
    #expect(!driver.input.lines.isTerminal)
    #expect(device.takeAvailable() == nil, "nothing is taken from the host before somebody wants it")
    #expect(driver.prepareToIdle() == .nobodyWaits)
    let task = Task { @MainActor in await driver.input.wait() }
    await Self.settle()
    driver.announce()
    #expect(device.notifications == [UInt32(VIRTIO_CONSOLE_RECEIVE_QUEUE)])
    #expect(driver.prepareToIdle() == .awaitsInterrupt)
    try Self.type("one\ntwo\nthr", on: device)
    try driver.poll()
    await task.value
    #expect(driver.input.lines.takeLine { _ in } == Self.line("one"))
    #expect(driver.input.lines.takeLine { _ in } == Self.line("two"))
    #expect(driver.input.lines.takeLine { _ in } == .nothing)
    #expect(device.takeAvailable() == nil)
    let end = Task { @MainActor in await driver.input.wait() }
    await Self.settle()
    // The end of the input: a buffer with nothing in it.
    try Self.type("", on: device)
    try driver.poll()
    await end.value
    #expect(driver.input.lines.takeLine { _ in } == Self.line("thr"))
    #expect(driver.input.lines.takeLine { _ in } == .end)
    #expect(driver.input.lines.hasEnded)
  }

  @Test func terminalIsOneThatHasASize() throws {
    let (driver, _) = try Self.open([VIRTIO_CONSOLE_F_SIZE])
    #expect(driver.input.lines.isTerminal)
  }

  /// The buffer stays with the device; what arrives later is there for the next one.
  @Test func cancelledTaskLosesNothing() async throws {
    let (driver, device) = try Self.open()
    let tasks = (0..<3).map { _ in Task { @MainActor in await driver.input.wait() } }
    await Self.settle()
    #expect(driver.queue.inFlightCount == 1)
    for index in [1, 2, 0] {
      tasks[index].cancel()
      await tasks[index].value
      #expect(driver.isAwaited == (index != 0))
    }
    #expect(driver.prepareToIdle() == .nobodyWaits)
    let next = Task { @MainActor in await driver.input.wait() }
    await Self.settle()
    #expect(driver.queue.inFlightCount == 1)
    try Self.type("x\n", on: device)
    try driver.poll()
    await next.value
    #expect(driver.input.lines.takeLine { _ in } == Self.line("x"))
    // Cancelled before it began.
    let late = Task { @MainActor in await driver.input.wait() }
    late.cancel()
    await late.value
    #expect(!driver.isAwaited)
  }
}
