import CLinux
import Glibc
import KVM
import Testing

@testable import Virtio

/// Glibc declares it under _GNU_SOURCE only. Flags 3 are MFD_CLOEXEC and MFD_ALLOW_SEALING.
@_extern(c, "memfd_create")
private func memfd_create(_ name: UnsafePointer<CChar>, _ flags: UInt32) -> Int32

/// What the driver or the host's disk does wrong: a status, and the machine lives.
@Suite struct BlockFailureTests {
  private typealias Harness = BlockHarness

  // MARK: The driver

  @Test func badRequestsGetAStatus() throws {
    let disk = try DiskFile(sectors: 8)
    let before = try disk.bytes
    let block = try Harness(disk.path)
    let read = Harness.RequestType.read
    // Beyond the end, by one and by as much as there is; data that is no number of sectors.
    for (sector, count) in [(8, 512), (7, 1024), (.max, 512), (.max - 1, 1024), (1 << 55, 512), (0, 511), (0, 0)]
      as [(UInt64, Int)]
    {
      let buffers = [block.readable(Harness.header(read, sector: sector)), block.writable(count + 1)]
      let answer = try block.submit(buffers)
      #expect(answer.status == Harness.Status.failed)
      #expect(answer.used == (count == 0 ? 1 : 0))
      #expect(answer.data.allSatisfy { $0 == 0xee })
    }
    #expect(try block.write(7, DiskFile.sector(1) + DiskFile.sector(2)) == .failed)
    #expect(try block.write(.max, DiskFile.sector(1)) == .failed)
    #expect(try block.write(0, [1, 2, 3]) == .failed)
    #expect(
      try block.submit([block.readable(Harness.header(Harness.RequestType.write)), block.writable(1)]) == .failed)
    // Half a header, none at all, and types that there are not.
    #expect(try block.submit([block.readable([UInt8](Harness.header(read)[..<15])), block.writable(1)]) == .failed)
    #expect(try block.submit([block.writable(1)]) == .failed)
    #expect(try block.command(2) == .unsupported)
    #expect(try block.command(.max) == .unsupported)
    #expect(try disk.bytes == before)
    #expect(!block.driver.needsReset)
  }

  @Test func badRangesGetAStatus() throws {
    let disk = try DiskFile(sectors: 8)
    let before = try disk.bytes
    let block = try Harness(disk.path)
    for type in [Harness.RequestType.discard, Harness.RequestType.writeZeroes] {
      #expect(try block.command(type) == .failed)
      #expect(try block.command(type, [UInt8](Harness.range(0, count: 1)[..<15])) == .failed)
      #expect(try block.command(type, Harness.range(8, count: 1)) == .failed)
      #expect(try block.command(type, Harness.range(7, count: 2)) == .failed)
      #expect(try block.command(type, Harness.range(.max, count: 1)) == .failed)
      #expect(try block.command(type, Harness.range(0, count: .max)) == .failed)
      #expect(try block.command(type, Harness.range(0, count: 1, flags: 2)) == .unsupported)
      // The first range is good, the second is not: nothing is done.
      #expect(try block.command(type, Harness.range(0, count: 1) + Harness.range(9, count: 1)) == .failed)
      let many = [[UInt8]](repeating: Harness.range(0, count: 1), count: 17).flatMap { $0 }
      #expect(try block.command(type, many) == .failed)
    }
    #expect(try block.command(Harness.RequestType.discard, Harness.range(0, count: 1, flags: 1)) == .unsupported)
    #expect(try disk.bytes == before)
  }

  @Test func whatWasNotNegotiatedIsUnsupported() throws {
    let disk = try DiskFile(sectors: 8)
    let block = try Harness(disk.path, features: ~(Harness.Feature.discard | Harness.Feature.writeZeroes))
    #expect(try block.command(Harness.RequestType.discard, Harness.range(0, count: 1)) == .unsupported)
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(0, count: 1)) == .unsupported)
  }

  @Test func noRoomForTheStatusBreaksTheQueue() throws {
    let disk = try DiskFile(sectors: 8)
    let block = try Harness(disk.path)
    block.queue.add([block.readable(Harness.header(Harness.RequestType.read))])
    block.queue.kick()
    #expect(block.driver.needsReset)
    #expect(block.queue.collect().isEmpty)
    block.driver.status = 0
    try block.driver.start(queueSize: 256)
    #expect(try block.read(0, count: 512).data == DiskFile.sector(0))
  }

  @Test(arguments: EngineChoice.allCases)
  func brokenQueueWithRequestsUnderWay(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 8)
    let block = try Harness(disk.path, isPrompt: false, engine: engine)
    let header = block.readable(Harness.header(Harness.RequestType.read))
    for _ in 0..<8 { block.queue.add([header, block.writable(512), block.writable(1)]) }
    block.queue.add([header])
    block.queue.kick()
    #expect(block.driver.needsReset)
    while block.loop.poll(timeout: 0) > 0 {}
    #expect(block.queue.collect().isEmpty)
    block.driver.status = 0
    try block.driver.start(queueSize: 256)
    #expect(try block.read(0, count: 512).data == DiskFile.sector(0))
  }

  // MARK: The host

  /// A file of tmpfs without a name.
  static func memoryFile(_ size: Int, isSealed: Bool = false) throws -> FileDescriptor {
    let file = FileDescriptor(owning: memfd_create("needletail-test", 3))
    guard file.rawValue >= 0, ftruncate(file.rawValue, size) == 0 else { throw SystemCallError("memfd_create") }
    // fcntl(2): F_ADD_SEALS, F_SEAL_WRITE
    guard !isSealed || fcntl(file.rawValue, 1033, 8 as Int32) == 0 else { throw SystemCallError("fcntl") }
    return file
  }

  @Test(arguments: EngineChoice.allCases, [true, false])
  func fileThatShrinks(_ engine: EngineChoice, isPrompt: Bool) throws {
    let disk = try DiskFile(sectors: 16)
    let block = try Harness(disk.path, isPrompt: isPrompt, engine: engine)
    #expect(truncate(disk.path, 4 * 512 + 100) == 0)
    #expect(try block.read(8, count: 512) == .init(status: 1, data: [UInt8](repeating: 0xee, count: 512), used: 0))
    // What is still there was read; the length says how much.
    let partial = try block.read(3, count: 1024)
    #expect(partial.status == Harness.Status.failed)
    #expect(partial.used == 612)
    #expect([UInt8](partial.data[..<612]) == (DiskFile.sector(3) + DiskFile.sector(4))[..<612].map { $0 })
    #expect(try block.read(0, count: 2048).status == Harness.Status.ok)
  }

  /// A sealed file fails every write with an error of the kernel's, whoever runs the test.
  @Test(arguments: EngineChoice.allCases, [true, false])
  func writesThatFail(_ engine: EngineChoice, isPrompt: Bool) throws {
    let sealed = try Self.memoryFile(8 * 512, isSealed: true)
    let block = try Harness("/proc/self/fd/\(sealed.rawValue)", isPrompt: isPrompt, engine: engine)
    #expect(try block.write(0, DiskFile.sector(1)) == .failed)
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(0, count: 1)) == .failed)
    #expect(try block.read(0, count: 512).data == [UInt8](repeating: 0, count: 512))
    #expect(!block.driver.needsReset)
  }

  /// tmpfs cannot zero a range: the zeros are written.
  @Test(arguments: EngineChoice.allCases)
  func fileSystemThatCannotZero(_ engine: EngineChoice) throws {
    let memory = try Self.memoryFile(256 * 512)
    let block = try Harness("/proc/self/fd/\(memory.rawValue)", engine: engine)
    let ones = [UInt8](repeating: 0xff, count: 256 * 512)
    #expect(try block.write(0, ones) == .ok)
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(1, count: 201)) == .ok)
    let read = try block.read(0, count: ones.count).data
    #expect(read == ones[..<512] + [UInt8](repeating: 0, count: 201 * 512) + ones[..<(54 * 512)])
  }

  /// A sector is the driver's unit whatever the disk's own is (virtio-1.2 §5.2.5). Once, these were I/O errors.
  @Test(arguments: EngineChoice.allCases)
  func directAccessToPartsOfBlocks(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 256)
    var expected = try disk.bytes
    let file = try BlockFile(
      opening: disk.path, isReadOnly: false, isDirect: true, alignment: .init(memory: 4096, offset: 4096))
    let block = try Harness(file, isPrompt: false, makeEngine: engine.make)
    #expect(block.driver.configuration(20, as: UInt32.self) == 4096)
    for (sector, count) in [(1, 1), (8, 8), (7, 9), (0, 1), (16, 17), (250, 6), (255, 1)] as [(Int, Int)] {
      let bytes = (1000 + sector..<1000 + sector + count).flatMap(DiskFile.sector)
      #expect(try block.write(UInt64(sector), bytes) == .ok)
      expected.replaceSubrange(sector * 512..<(sector + count) * 512, with: bytes)
      let read = try block.read(UInt64(sector), count: count * 512)
      #expect(read == .init(status: Harness.Status.ok, data: bytes, used: UInt32(count * 512 + 1)))
    }
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(33, count: 3)) == .ok)
    expected.replaceSubrange(33 * 512..<36 * 512, with: [UInt8](repeating: 0, count: 3 * 512))
    // Whole blocks, past the cache, see all of that.
    #expect(try block.read(0, count: 256 * 512).data == expected)
    #expect(try block.command(Harness.RequestType.flush) == .ok)
    #expect(try disk.bytes == expected)
  }

  @Test(arguments: EngineChoice.allCases)
  func directAccessWithMisalignedMemory(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 256)
    let block = try Harness(disk.path, isDirect: true, engine: engine)
    let read = Harness.RequestType.read
    for (count, address) in [(4096, 4096), (4096, 1), (65536, 3), (65536, 4096)] as [(Int, UInt64)] {
      let start = block.memory.allocate(count + 8192, alignment: 4096) + (address == 4096 ? 0 : address)
      let answer = try block.submit([
        block.readable(Harness.header(read, sector: 8)), .writable(start, count), block.writable(1),
      ])
      #expect(answer.status == Harness.Status.ok && answer.used == UInt32(count + 1))
      #expect(answer.data == (8..<8 + count / 512).flatMap(DiskFile.sector))
    }
    let bytes = (100..<164).flatMap(DiskFile.sector)
    let data = block.readable([1] + bytes, alignment: 4096)
    #expect(
      try block.submit([
        block.readable(Harness.header(Harness.RequestType.write, sector: 16)),
        .readable(data.address + 1, bytes.count), block.writable(1),
      ]) == .ok)
    #expect(try [UInt8](disk.bytes[8192..<8192 + bytes.count]) == bytes)
  }
}
