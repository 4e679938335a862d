import CLinux
import KVM
import Testing

@testable import Virtio

@Suite struct ConsoleInputTests {
  private static let hello = Array("hello\n".utf8)

  enum Kind: CaseIterable {
    case pipe, nonblockingPipe, socket, terminal

    func open() throws -> Ends {
      switch self {
      case .pipe: try .pipe()
      case .nonblockingPipe: try .pipe(flags: O_NONBLOCK)
      case .socket: try .sockets()
      case .terminal: try .terminal()
      }
    }
  }

  @Test(arguments: Kind.allCases) func nothingIsReadBeforeThereIsABuffer(kind: Kind) throws {
    let input = try kind.open()
    try input.send(Self.hello)
    let console = try ConsoleUnderTest(input: input.near)
    console.receiveQueue.notify()
    // A window signal that another test raises may be ready; the input must not be.
    console.loop.poll(timeout: 0)
    let waiting = waitingBytes(input.near)
    #expect(waiting == Self.hello.count)
    let address = console.giveBuffers([64])
    #expect(console.received() == [Self.hello.count])
    #expect(console.memory.bytes(address, count: Self.hello.count) == Self.hello)
    #expect(console.driver.interruptCount == 1)
  }

  @Test(arguments: Kind.allCases) func aBufferWaitsForInput(kind: Kind) throws {
    let input = try kind.open()
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.giveBuffers([64, 64])
    #expect(console.received() == [])
    for round in 0..<2 {
      try input.send(Self.hello)
      #expect(console.awaitReceived() == [Self.hello.count])
      #expect(console.driver.interruptCount == round + 1)
      #expect(console.memory.bytes(address + UInt64(64 * round), count: Self.hello.count) == Self.hello)
    }
    // Both buffers are gone: the third line stays where it is, and nobody spins on it.
    try input.send(Self.hello)
    let waiting = waitingBytes(input.near)
    #expect(waiting == Self.hello.count)
    #expect(console.loop.poll(timeout: 0) == 0)
  }

  @Test(arguments: Kind.allCases) func whatDoesNotFitWaits(kind: Kind) throws {
    let input = try kind.open()
    try input.send(Array("0123456789".utf8))
    var waiting = waitingBytes(input.near)
    #expect(waiting == 10)
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.giveBuffers([4])
    #expect(console.received() == [4])
    waiting = waitingBytes(input.near)
    #expect(waiting == 6)
    console.giveBuffers([4, 4])
    #expect(console.received() == [4, 2])
    #expect(console.memory.bytes(address, count: 4) == Array("0123".utf8))
  }

  @Test(arguments: Kind.allCases) func theDescriptorsFlagsAreLeftAlone(kind: Kind) throws {
    let input = try kind.open()
    // Flags of the open file, which others share, are seen through another way to it as well (proc(5), fdinfo).
    let before = try Self.flags(of: input.near)
    let console = try ConsoleUnderTest(input: input.near)
    console.giveBuffers([64])
    #expect(try Self.flags(of: input.near) == before)
    try input.send(Self.hello)
    #expect(console.awaitReceived() == [Self.hello.count])
    #expect(try Self.flags(of: input.near) == before)
  }

  private static func flags(of descriptor: Int32) throws -> String {
    let file = try FileDescriptor(opening: "/proc/self/fdinfo/\(descriptor)", flags: O_RDONLY)
    var text = [UInt8](repeating: 0, count: 4096)
    let count = try text.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    let lines = String(decoding: text[..<count], as: UTF8.self).split(separator: "\n")
    return String(try #require(lines.first { $0.hasPrefix("flags:") }))
  }

  @Test func scatteredOverSeveralPieces() throws {
    let input = try Ends.pipe()
    try input.send(Self.hello)
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.memory.allocate(64)
    console.receiveQueue.add([
      .writable(address + 32, 2), .writable(address, 3), .writable(address + 16, 16),
    ])
    console.receiveQueue.kick()
    #expect(console.received() == [6])
    #expect(console.memory.bytes(address + 32, count: 3) == Array("he".utf8) + [0])
    #expect(console.memory.bytes(address, count: 4) == Array("llo".utf8) + [0])
    #expect(console.memory.bytes(address + 16, count: 2) == [0x0a, 0])
  }

  /// Where another process takes the bytes of a terminal between a look and a read, nobody waits.
  @Test(arguments: Kind.allCases) func readingNeverWaits(kind: Kind) throws {
    let ends = try kind.open()
    let stopFlag = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    stopFlag.initialize(to: 0)
    defer { stopFlag.deallocate() }
    var input = ConsoleInput(descriptor: ends.near, stopFlag: stopFlag)
    var bytes = [UInt8](repeating: 0, count: 64)
    func read() -> ConsoleInput.Reading { bytes.withUnsafeMutableBytes { input.read(into: [$0]) } }
    #expect(read() == .nothing)
    let mayWait = input.mayWait
    #expect(!mayWait)
    try ends.send(Self.hello)
    let waiting = waitingBytes(ends.near)
    #expect(waiting == Self.hello.count)
    #expect(read() == .bytes(Self.hello.count))
    #expect(read() == .nothing)
  }

  /// Opening it once more would make another pseudoterminal.
  @Test func aPseudoterminalsMasterIsReadAsItIs() throws {
    let ends = try Ends.terminal()
    let console = try ConsoleUnderTest(input: ends.far)
    let address = console.giveBuffers([64])
    #expect(console.received() == [])
    try Self.hello.withUnsafeBytes { try FileDescriptor.writeAll($0, to: ends.near) }
    // The terminal sends a carriage return with every line feed.
    #expect(console.awaitReceived() == [Self.hello.count + 1])
    #expect(console.memory.bytes(address, count: 5) == Array("hello".utf8))
  }

  // MARK: The end

  @Test(arguments: Kind.allCases) func theEndIsOneEmptyBuffer(kind: Kind) throws {
    var input = try kind.open()
    let console = try ConsoleUnderTest(input: input.near)
    console.giveBuffers([64, 64, 64])
    try input.send(Self.hello)
    #expect(console.awaitReceived() == [Self.hello.count])
    input.closeFar()
    #expect(console.awaitReceived() == [0])
    console.receiveQueue.notify()
    console.giveBuffers([64])
    #expect(console.loop.poll(timeout: 0) == 0)
    #expect(console.received() == [])
    #expect(console.driver.interruptCount == 2)
    #expect(!console.driver.needsReset)
  }

  /// Files that epoll refuses, and descriptors that cannot be read.
  @Test(arguments: ["/dev/null", "/", "closed", "write-only"]) func inputsThatHaveEnded(path: String) throws {
    let file = try FileDescriptor(
      opening: path.hasPrefix("/") ? path : "/dev/null", flags: path == "write-only" ? O_WRONLY : O_RDONLY)
    let console = try ConsoleUnderTest(input: path == "closed" ? -1 : file.rawValue)
    console.giveBuffers([64, 64])
    #expect(console.received() == [0])
    #expect(console.driver.interruptCount == 1)
  }

  @Test func aRegularFileIsReadToItsEndInBoundedReads() throws {
    let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    let file = try TemporaryFile(content)
    let console = try ConsoleUnderTest(input: file.descriptor)
    let size = ConsoleInput.readLimit + 4096
    let address = console.memory.allocate(size)
    var read: [UInt8] = []
    var counts: [Int] = []
    repeat {
      console.receiveQueue.add([.writable(address, size)])
      console.receiveQueue.kick()
      counts += console.received()
      read += console.memory.bytes(address, count: try #require(counts.last))
    } while counts.last != 0 && counts.count < 10
    #expect(counts == [65536, 65536, 65536, 200_000 - 3 * 65536, 0])
    #expect(read == content)
  }

  // MARK: Resets and breaches

  @Test func aResetLetsGoOfTheInput() throws {
    let input = try Ends.pipe()
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.giveBuffers([64])
    console.driver.status = 0
    try input.send(Self.hello)
    #expect(console.loop.poll(timeout: 0) == 0)
    #expect(console.memory.bytes(address, count: 64) == [UInt8](repeating: 0, count: 64))
    try console.driver.start()
    console.giveBuffers([64])
    #expect(console.received() == [Self.hello.count])
  }

  @Test func theNextDriverIsToldOfTheEndAsWell() throws {
    let console = try ConsoleUnderTest()
    for _ in 0..<2 {
      console.giveBuffers([64])
      #expect(console.received() == [0])
      console.driver.status = 0
      try console.driver.start()
    }
  }

  @Test func aDisabledQueueGetsNothing() throws {
    let input = try Ends.pipe()
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.giveBuffers([64])
    console.driver.write(.queueSel, 0)
    console.driver.write(.queueReady, 0)
    try input.send(Self.hello)
    console.loop.poll(timeout: 0)
    #expect(console.memory.bytes(address, count: 64) == [UInt8](repeating: 0, count: 64))
    let waiting = waitingBytes(input.near)
    #expect(waiting == Self.hello.count)
    #expect(console.loop.poll(timeout: 0) == 0)
  }

  @Test(arguments: [true, false]) func aBufferThatIsNotForWritingBreaksTheDevice(isReadable: Bool) throws {
    let input = try Ends.pipe()
    try input.send(Self.hello)
    let console = try ConsoleUnderTest(input: input.near)
    let address = console.memory.allocate(16)
    console.receiveQueue.add([isReadable ? .readable(address, 16) : .writable(address, 0)])
    console.receiveQueue.kick()
    #expect(console.driver.needsReset)
    #expect(console.received() == [])
    let waiting = waitingBytes(input.near)
    #expect(waiting == Self.hello.count)
  }

  /// Input can make the next buffers available by itself, if the driver has it written there.
  @Test func inputThatMakesBuffersAvailableIsTakenInTurns() throws {
    // Each reading of two bytes is the available index that comes next.
    let file = try TemporaryFile((2..<100).flatMap { [UInt8($0), 0] })
    let console = try ConsoleUnderTest(input: file.descriptor, starts: false)
    try console.driver.negotiate()
    let queue = try console.driver.setUpQueue(0, size: 8)
    for index: UInt16 in 0..<8 {
      queue.setDescriptor(index, address: queue.available + 2, count: 2, flags: MockQueue.Flag.write)
      console.memory.store(index, at: queue.available + 4 + 2 * UInt64(index))
    }
    queue.publishedAvailableIndex = 1
    console.driver.status |= MockDriver.Status.driverOK
    #expect(queue.publishedUsedIndex == 8)
    queue.notify()
    #expect(queue.publishedUsedIndex == 16)
    #expect(!console.driver.needsReset)
  }

  /// Where a driver gives back every buffer at once, the lock is let go of all the same.
  @Test func endlessInputIsTakenInTurns() throws {
    let file = try FileDescriptor(opening: "/dev/zero", flags: O_RDONLY)
    let console = try ConsoleUnderTest(input: file.rawValue)
    console.giveBuffers([Int](repeating: 16, count: 16))
    #expect(console.received() == [Int](repeating: 16, count: 16))
  }
}
