import CLinux
import KVM
import Testing

@testable import Virtio

/// An engine that does what a test says, when it says so.
private final class ScriptedEngine: BlockEngine {
  let eventDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
  /// Added and not ended, in order.
  private(set) var operations: [BlockOperation] = []
  private(set) var handOvers = 0
  private(set) var drains = 0
  private var results: [(tag: Int, result: Int32)] = []

  deinit { close(eventDescriptor) }

  func add(_ operation: BlockOperation) { operations.append(operation) }
  func handOver() { handOvers += 1 }
  func service(_ ended: (_ tag: Int, _ result: Int32) -> Void) {
    var count: UInt64 = 0
    _ = read(eventDescriptor, &count, 8)
    let batch = results
    results = []
    for (tag, result) in batch { ended(tag, result) }
  }
  func drain() {
    drains += 1
    operations = []
    results = []
  }

  /// Ends an operation when the loop turns next.
  func end(_ index: Int, with result: Int32) {
    results.append((operations.remove(at: index).tag, result))
    var one: UInt64 = 1
    _ = write(eventDescriptor, &one, 8)
  }
}

/// What a device makes of everything that an engine may answer.
@Suite struct BlockScriptTests {
  private typealias Harness = BlockHarness

  private let disk: DiskFile
  private let block: BlockHarness
  private let engine = ScriptedEngine()

  init() throws {
    disk = try DiskFile(sectors: 1024)
    let engine = self.engine
    block = try Harness(
      BlockFile(opening: disk.path, isReadOnly: false), isPrompt: false,
      makeEngine: { (_, _) throws(SystemCallError) in engine })
  }

  private func add(_ type: UInt32, sector: UInt64 = 0, _ data: MockQueue.Buffer...) throws -> (UInt16, UInt64) {
    let status = block.writable(1)
    let head = block.queue.add([block.readable(Harness.header(type, sector: sector))] + data + [status])
    return (try #require(head), status.address)
  }
  private func turn() -> [MockQueue.Used] {
    block.loop.poll(timeout: 0)
    return block.queue.collect()
  }
  private func status(_ address: UInt64) -> UInt8 { block.memory.load(address) }

  @Test func outOfOrderInOneBatch() throws {
    let requests = try (0..<3).map { try add(Harness.RequestType.read, sector: UInt64($0), block.writable(512)) }
    block.queue.kick()
    #expect(engine.operations.map(\.offset) == [0, 512, 1024])
    #expect(engine.handOvers == 1)
    #expect(turn().isEmpty)
    engine.end(2, with: 512)
    engine.end(0, with: -EIO)
    #expect(turn() == [.init(head: requests[2].0, count: 513), .init(head: requests[0].0, count: 0)])
    #expect(status(requests[2].1) == Harness.Status.ok && status(requests[0].1) == Harness.Status.failed)
    #expect(block.driver.interruptCount == 1)
    engine.end(0, with: 512)
    #expect(turn() == [.init(head: requests[1].0, count: 513)])
    #expect(block.driver.interruptCount == 2)
  }

  @Test func shortCountsAreContinued() throws {
    let (head, place) = try add(Harness.RequestType.read, sector: 2, block.writable(300), block.writable(724))
    block.queue.kick()
    #expect(engine.operations[0].vectors.map(\.iov_len) == [300, 724])
    engine.end(0, with: 100)
    #expect(turn().isEmpty)
    #expect(engine.operations[0].offset == 1124)
    #expect(engine.operations[0].vectors.map(\.iov_len) == [200, 724])
    engine.end(0, with: 200)
    #expect(turn().isEmpty)
    #expect(engine.operations[0].vectors.map(\.iov_len) == [724])
    engine.end(0, with: -EINTR)
    #expect(turn().isEmpty)
    engine.end(0, with: 724)
    #expect(turn() == [.init(head: head, count: 1025)])
    #expect(status(place) == Harness.Status.ok)
  }

  /// Nobody can call an operation back, so a driver does not get to make long ones (`BlockOperation.byteLimit`).
  @Test(arguments: [Harness.RequestType.read, Harness.RequestType.write])
  func longRequestsAreSeveralOperations(_ type: UInt32) throws {
    let (disk, block) = try long()
    defer { withExtendedLifetime(disk) {} }
    // Ten times the same memory, and the limit in the middle of the fifth and of the tenth.
    let piece = 224 << 10
    let address = block.memory.allocate(piece)
    let status = block.writable(1)
    let data = MockQueue.Buffer(address: address, count: UInt32(piece), isWritable: type == Harness.RequestType.read)
    let added = block.queue.add(
      [block.readable(Harness.header(type, sector: 2))] + [MockQueue.Buffer](repeating: data, count: 10) + [status])
    block.queue.kick()
    var offset = 1024
    var left = [Int](repeating: piece, count: 10)
    // The second operation is short, the third fails to begin; whatever the pieces, all of the memory has its turn.
    for result in [1 << 20, 1000 << 10, -Int(EINTR), 216 << 10] {
      let operation = engine.operations[0]
      #expect(operation.offset == offset)
      let lengths = operation.vectors.map(\.iov_len)
      #expect(lengths.reduce(0, +) == min(BlockOperation.byteLimit, left.reduce(0, +)))
      #expect(lengths.dropLast().elementsEqual(left.prefix(lengths.count - 1)))
      let start = operation.vectors[0].iov_base - block.memory.host(address, count: 1)
      #expect(start == piece - left[0])
      engine.end(0, with: Int32(result))
      let isLast = result == 216 << 10
      block.loop.poll(timeout: 0)
      #expect(
        block.queue.collect()
          == (isLast ? [.init(head: try #require(added), count: data.isWritable ? 2240 << 10 + 1 : 1)] : []))
      guard result > 0 else { continue }
      offset += result
      var done = result
      while done > 0 {
        let step = min(done, left[0])
        left[0] -= step
        done -= step
        if left[0] == 0 { left.removeFirst() }
      }
    }
    #expect(left.isEmpty)
    #expect(block.memory.load(status.address) == Harness.Status.ok)
  }

  @Test func longRangesAreZeroedInSeveralOperations() throws {
    let (disk, block) = try long()
    defer { withExtendedLifetime(disk) {} }
    let status = block.writable(1)
    let ranges = Harness.range(8, count: 5000) + Harness.range(2, count: 5000, flags: 1)
    block.queue.add([block.readable(Harness.header(Harness.RequestType.writeZeroes) + ranges), status])
    block.queue.kick()
    // Space is given back in one go: that moves nothing.
    for (kind, offset, length) in [
      (.zero, 4096, 1 << 20), (.zero, 4096 + 1 << 20, 1 << 20), (.zero, 4096 + 2 << 20, 5000 * 512 - 2 << 20),
      (.deallocate, 1024, 5000 * 512),
    ] as [(BlockOperation.Kind, Int, Int)] {
      let operation = engine.operations[0]
      #expect(operation.kind == kind && operation.offset == offset && operation.length == length)
      engine.end(0, with: 0)
      block.loop.poll(timeout: 0)
    }
    #expect(block.queue.collect().count == 1)
    #expect(block.memory.load(status.address) == Harness.Status.ok)
  }

  /// A disk that has room for long requests, and the engine that a test has.
  private func long() throws -> (DiskFile, BlockHarness) {
    let disk = try DiskFile([])
    #expect(truncate(disk.path, 8 << 20) == 0)
    let engine = self.engine
    let block = try Harness(
      BlockFile(opening: disk.path, isReadOnly: false), isPrompt: false,
      makeEngine: { (_, _) throws(SystemCallError) in engine })
    return (disk, block)
  }

  @Test func errorAfterAPart() throws {
    let (head, place) = try add(Harness.RequestType.read, sector: 2, block.writable(1024))
    block.queue.kick()
    engine.end(0, with: 512)
    #expect(turn().isEmpty)
    engine.end(0, with: 0)
    #expect(turn() == [.init(head: head, count: 512)])
    #expect(status(place) == Harness.Status.failed)
  }

  @Test(arguments: [ENOSPC, EIO, EDQUOT, EROFS])
  func failedWrites(_ code: Int32) throws {
    for data in [block.readable(DiskFile.sector(1)), nil] {
      let (head, place) = try data.map { try add(Harness.RequestType.write, $0) } ?? add(Harness.RequestType.flush)
      block.queue.kick()
      #expect(engine.operations[0].kind == (data == nil ? .flush : .write))
      engine.end(0, with: -code)
      #expect(turn() == [.init(head: head, count: 1)])
      #expect(status(place) == Harness.Status.failed)
    }
  }

  @Test func discardThatTheFileSystemCannot() throws {
    let (head, place) = try add(
      Harness.RequestType.discard, block.readable(Harness.range(1, count: 2) + Harness.range(8, count: 1)))
    block.queue.kick()
    #expect(engine.operations[0].kind == .deallocate)
    #expect(engine.operations[0].offset == 512 && engine.operations[0].length == 1024)
    engine.end(0, with: -EOPNOTSUPP)
    #expect(turn().isEmpty)
    engine.end(0, with: 0)
    #expect(turn() == [.init(head: head, count: 1)])
    #expect(status(place) == Harness.Status.ok)
  }

  @Test func zerosAreWrittenWhereNothingElseHelps() throws {
    let range = Harness.range(1, count: 33, flags: 1)
    let (head, place) = try add(Harness.RequestType.writeZeroes, block.readable(range))
    block.queue.kick()
    #expect(engine.operations[0].kind == .deallocate)
    engine.end(0, with: -EOPNOTSUPP)
    #expect(turn().isEmpty)
    #expect(engine.operations[0].kind == .zero)
    engine.end(0, with: -EOPNOTSUPP)
    #expect(turn().isEmpty)
    for (offset, count) in [(512, 16384), (512 + 16384, 512)] as [(Int, Int)] {
      let operation = engine.operations[0]
      #expect(operation.kind == .write && operation.offset == offset)
      #expect(operation.vectors.map(\.iov_len) == [count])
      let zeros = UnsafeRawBufferPointer(start: operation.vectors[0].iov_base, count: count)
      #expect(zeros.allSatisfy { $0 == 0 })
      engine.end(0, with: Int32(count))
      let isLast = count == 512
      #expect(turn() == (isLast ? [.init(head: head, count: 1)] : []))
    }
    #expect(status(place) == Harness.Status.ok)
  }

  @Test func partsOfBlocksGoThroughThePageCache() throws {
    let engine = self.engine
    let disk = try DiskFile(sectors: 64)
    let block = try Harness(
      BlockFile(opening: disk.path, isReadOnly: false, isDirect: true, alignment: .init(memory: 512, offset: 4096)),
      isPrompt: false, makeEngine: { (_, _) throws(SystemCallError) in engine })
    let status = block.writable(1)
    for (sector, count, isWhole) in [(8, 4096, true), (8, 512, false), (9, 4096, false), (0, 8192, true)]
      as [(UInt64, Int, Bool)]
    {
      let header = block.readable(Harness.header(Harness.RequestType.read, sector: sector))
      block.queue.add([header, block.writable(count, alignment: 512), status])
      block.queue.kick()
      #expect((engine.operations[0].otherFile == nil) == isWhole)
      engine.end(0, with: Int32(count))
      block.loop.poll(timeout: 0)
    }
    // What the kernel leaves half done goes on as what it is then.
    let header = block.readable(Harness.header(Harness.RequestType.read))
    block.queue.add([header, block.writable(8192, alignment: 512), status])
    block.queue.kick()
    engine.end(0, with: 512)
    block.loop.poll(timeout: 0)
    #expect(engine.operations[0].otherFile != nil)
    // A block device does not zero parts of its blocks: they are written.
    block.queue.add([
      block.readable(Harness.header(Harness.RequestType.writeZeroes) + Harness.range(1, count: 2)), status,
    ])
    block.queue.kick()
    #expect(engine.operations[1].kind == .zero)
    engine.end(1, with: -EINVAL)
    block.loop.poll(timeout: 0)
    #expect(engine.operations[1].kind == .write && engine.operations[1].otherFile != nil)
    #expect(engine.operations[1].offset == 512)
  }

  @Test func resetDrainsAndForgets() throws {
    for _ in 0..<4 { _ = try add(Harness.RequestType.read, block.writable(512)) }
    block.queue.kick()
    #expect(engine.operations.count == 4)
    block.driver.status = 0
    #expect(engine.drains == 1)
    #expect(engine.operations.isEmpty)
    block.loop.poll(timeout: 0)
    #expect(block.queue.publishedUsedIndex == 0)
  }

  @Test func takingTheQueueBackDrainsAndForgets() throws {
    for _ in 0..<4 { _ = try add(Harness.RequestType.read, block.writable(512)) }
    block.queue.kick()
    block.driver.write(.queueSel, 0)
    block.driver.write(.queueReady, 0)
    #expect(engine.drains == 1)
    #expect(engine.operations.isEmpty)
    block.loop.poll(timeout: 0)
    #expect(block.queue.publishedUsedIndex == 0)
    // And nothing is left for the reset to end.
    block.driver.status = 0
    #expect(engine.drains == 1)
  }

  @Test func noEngineIsAnError() throws {
    let disk = try DiskFile(sectors: 1)
    let block = try Harness(
      BlockFile(opening: disk.path, isReadOnly: true), isPrompt: false,
      makeEngine: { (_, _) throws(SystemCallError) in throw SystemCallError("eventfd", code: EMFILE) })
    #expect(try block.read(0, count: 512).status == Harness.Status.failed)
    #expect(try block.command(Harness.RequestType.flush) == .failed)
  }

  @Test func cachedDataNeedsNoEngine() throws {
    let disk = try DiskFile(sectors: 8)
    let block = try Harness(
      BlockFile(opening: disk.path, isReadOnly: false), isPrompt: true,
      makeEngine: { (_, _) throws(SystemCallError) in preconditionFailure("an engine is made") })
    #expect(try block.read(1, count: 512).data == DiskFile.sector(1))
    #expect(try block.write(1, DiskFile.sector(5)) == .ok)
    #expect(try block.read(1, count: 512).data == DiskFile.sector(5))
  }
}
