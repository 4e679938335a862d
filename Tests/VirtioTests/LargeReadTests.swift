import CLinux
import Glibc
import KVM
import Testing

@testable import Virtio

/// Reads that are large enough, and enough of them, for two threads to share.
@Suite struct LargeReadTests {
  private typealias Harness = BlockHarness

  private static let readBytes = LargeReads.leastByteCount
  private static let readSectors = readBytes / BlockFile.sectorSize
  /// As many reads as make a batch.
  private static let readCount = LargeReads.leastBatchByteCount / readBytes
  /// In the last of so many batches there is a partner.
  private static let batchCount = LargeReads.batchesWithoutPartner + 1

  /// Of a disk of two batches: every word is another.
  private static let contents = (0..<UInt32(2 * readCount * readBytes / 4)).map { $0 &* 0x9e37_79b1 }
    .withUnsafeBytes { [UInt8]($0) }

  /// A disk, and a driver that has the buffers for one batch.
  private struct Reader {
    let disk: DiskFile
    let block: Harness
    private let headers: [MockQueue.Buffer]
    let data: [MockQueue.Buffer]
    let statuses: [MockQueue.Buffer]

    init(_ engine: EngineChoice = .ring) throws {
      let disk = try DiskFile(contents)
      try self.init(disk, path: disk.path, engine)
    }

    init(_ disk: DiskFile, path: String, _ engine: EngineChoice = .ring) throws {
      self.disk = disk
      let memory = GuardedMemory([GuardedMemory.Area(address: 0x10_0000, count: 0x10_0000)])
      let block = try Harness(path, memory: memory, engine: engine)
      self.block = block
      headers = (0..<2 * readCount).map {
        block.readable(Harness.header(Harness.RequestType.read, sector: UInt64($0 * readSectors)))
      }
      data = (0..<readCount).map { _ in block.writable(readBytes, alignment: 4096) }
      statuses = (0..<readCount).map { _ in block.writable(1) }
    }

    /// Makes a read available for each of the blocks, in units of `readBytes`.
    func add(_ blocks: [Int]) throws {
      for (index, number) in blocks.enumerated() {
        block.memory.store([0xee], at: data[index].address)
        block.memory.store([0xee], at: statuses[index].address)
        let head = block.queue.add([headers[number], data[index], statuses[index]])
        try #require(head != nil)
      }
    }

    /// Does a batch, and checks that every read gets what the file has.
    func read(_ blocks: [Int]) throws {
      try add(blocks)
      block.queue.kick()
      let used = try block.collect(blocks.count)
      #expect(used.allSatisfy { $0.count == UInt32(readBytes) + 1 })
      #expect(Set(used.map(\.head)).count == blocks.count)
      for (index, number) in blocks.enumerated() { expect(index, is: number) }
    }

    func status(_ index: Int) -> UInt8 { block.memory.bytes(statuses[index].address, count: 1)[0] }

    func expect(_ index: Int, is number: Int, count: Int = readBytes) {
      #expect(status(index) == (count == readBytes ? Harness.Status.ok : Harness.Status.failed))
      let start = number * readBytes
      let bytes = block.memory.bytes(data[index].address, count: count)
      #expect(bytes == [UInt8](contents[start..<start + count]), "read \(index)")
    }
  }

  private static let lowBlocks = Array(0..<readCount)
  private static let highBlocks = Array((readCount..<2 * readCount).reversed())

  @Test func manyBatches() throws {
    let reader = try Reader()
    for batch in 0..<3 * Self.batchCount { try reader.read(batch % 2 == 0 ? Self.lowBlocks : Self.highBlocks) }
  }

  /// tmpfs, where reads may wait because none has to.
  @Test func fileInMemory() throws {
    let disk = try DiskFile(Self.contents)
    let memory = try BlockFailureTests.memoryFile(Self.contents.count)
    try Self.contents.withUnsafeBytes { try FileDescriptor.writeAll($0, to: memory.rawValue) }
    let reader = try Reader(disk, path: "/proc/self/fd/\(memory.rawValue)")
    for _ in 0..<2 * Self.batchCount { try reader.read(Self.highBlocks) }
  }

  /// What is not cached, or not all of it, comes from the engine.
  @Test(arguments: EngineChoice.allCases)
  func fileThatIsNotCached(_ engine: EngineChoice) throws {
    let reader = try Reader(engine)
    let file = try FileDescriptor(opening: reader.disk.path, flags: O_RDWR)
    for batch in 0..<2 * Self.batchCount {
      #expect(fdatasync(file.rawValue) == 0)
      // A part of the file that begins and ends inside of reads.
      let start = batch % 3 * Self.readBytes * 3 / 2
      #expect(posix_fadvise(file.rawValue, start, 2 * Self.readBytes, POSIX_FADV_DONTNEED) == 0)
      try reader.read(Self.lowBlocks)
    }
  }

  @Test(arguments: EngineChoice.allCases)
  func fileThatShrinks(_ engine: EngineChoice) throws {
    let reader = try Reader(engine)
    for _ in 0..<Self.batchCount { try reader.read(Self.lowBlocks) }
    let left = 3 * Self.readBytes + 1000
    #expect(truncate(reader.disk.path, left) == 0)
    for _ in 0..<Self.batchCount {
      try reader.add(Self.lowBlocks)
      reader.block.queue.kick()
      _ = try reader.block.collect(Self.readCount)
      for index in 0..<3 { reader.expect(index, is: index) }
      reader.expect(3, is: 3, count: 1000)
      for index in 4..<Self.readCount { #expect(reader.status(index) == Harness.Status.failed) }
    }
    #expect(!reader.block.driver.needsReset)
  }

  /// Other requests of the same batch, before and between.
  @Test func mixedBatches() throws {
    let reader = try Reader()
    let block = reader.block
    let header = block.readable(Harness.header(Harness.RequestType.read, sector: 3))
    let (small, status) = (block.writable(512), block.writable(1))
    for _ in 0..<Self.batchCount {
      block.queue.add([header, small, status])
      try reader.add(Self.lowBlocks)
      block.queue.add([block.readable(Harness.header(Harness.RequestType.flush)), block.writable(1)])
      block.queue.kick()
      _ = try block.collect(Self.readCount + 2)
      #expect(block.memory.bytes(small.address, count: 512) == [UInt8](Self.contents[3 * 512..<4 * 512]))
      for index in 0..<Self.readCount { reader.expect(index, is: index) }
    }
  }

  @Test func resetAndStartAgain() throws {
    let reader = try Reader()
    for _ in 0..<Self.batchCount { try reader.read(Self.lowBlocks) }
    for _ in 0..<3 {
      // Made available, and never told of.
      try reader.add(Self.highBlocks)
      reader.block.driver.status = 0
      #expect(reader.status(0) == 0xee)
      try reader.block.driver.start(queueSize: 64)
      for _ in 0..<Self.batchCount { try reader.read(Self.highBlocks) }
    }
  }

  /// All reads of a batch into the same memory, and a batch that ends with what no device can answer.
  @Test func driverThatBreaksTheRules() throws {
    let reader = try Reader()
    let block = reader.block
    for _ in 0..<Self.batchCount { try reader.read(Self.lowBlocks) }
    let header = block.readable(Harness.header(Harness.RequestType.read))
    for _ in 0..<Self.readCount { block.queue.add([header, reader.data[0], reader.statuses[0]]) }
    block.queue.kick()
    #expect(try block.collect(Self.readCount).count == Self.readCount)
    reader.expect(0, is: 0)

    try reader.add(Self.lowBlocks)
    block.queue.add([header])
    block.queue.kick()
    #expect(block.driver.needsReset)
    #expect(block.queue.collect().isEmpty)
    block.driver.status = 0
    try block.driver.start(queueSize: 64)
    try reader.read(Self.highBlocks)
  }

  // MARK: The partner alone

  /// Every read is done once, by whomever, and all are when `perform` returns.
  @Test func batchesOfEverySize() throws {
    let disk = try DiskFile(sectors: 64)
    let contents = try disk.bytes
    let file = try FileDescriptor(opening: disk.path, flags: O_RDONLY)
    let partner = try ReadPartner(file: file.rawValue)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: contents.count, alignment: 16)
    defer { memory.deallocate() }
    let vectors = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 64)
    defer { vectors.deallocate() }
    for index in 0..<64 {
      vectors.initializeElement(at: index, to: iovec(iov_base: memory.baseAddress! + index * 512, iov_len: 512))
    }
    for round in 0..<500 {
      memset(memory.baseAddress!, 0xee, memory.count)
      let count = round % 65
      var reads = (0..<count).map {
        ReadPartner.Read(offset: $0 * 512, vectors: UnsafeMutableBufferPointer(rebasing: vectors[$0...$0]))
      }
      _ = reads.withUnsafeMutableBufferPointer { partner.perform($0, flags: 0) }
      #expect(reads.allSatisfy { $0.count == 512 })
      #expect(memcmp(memory.baseAddress!, contents, count * 512) == 0)
      #expect(memory.count == count * 512 || memory[count * 512] == 0xee)
    }
  }
}
