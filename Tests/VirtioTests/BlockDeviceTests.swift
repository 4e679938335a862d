import CLinux
import KVM
import Testing

@testable import Virtio

@Suite struct BlockDeviceTests {
  private typealias Harness = BlockHarness

  private static let zeroSector = [UInt8](repeating: 0, count: 512)

  @Test func describesItself() throws {
    let disk = try DiskFile(sectors: 64)
    let block = try Harness(disk.path)
    #expect(block.driver.read(.deviceID) == 2)
    #expect(block.driver.configuration(0, as: UInt64.self) == 64)
    #expect(block.driver.configuration(12, as: UInt32.self) == 254)
    #expect(block.driver.configuration(20, as: UInt32.self) == 512)
    #expect(block.driver.features & Harness.Feature.readOnly == 0)
    // §5.2.4: max_discard_seg, max_write_zeroes_seg, write_zeroes_may_unmap
    #expect(block.driver.configuration(40, as: UInt32.self) == 16)
    #expect(block.driver.configuration(52, as: UInt32.self) == 16)
    #expect(block.driver.configuration(56, as: UInt8.self) == 1)
  }

  /// What happens where io_uring is forbidden. Once, the ring's parts were freed a second time.
  @Test func ringThatCannotBeLeavesNothing() throws {
    let descriptor = linux_open("/dev/null", O_RDWR, 0)
    defer { close(descriptor) }
    for _ in 0..<100 {
      #expect(throws: SystemCallError.self) { try RingEngine(file: descriptor, capacity: 0) }
    }
    #expect(lseek(descriptor, 0, SEEK_CUR) == 0)
  }

  @Test(arguments: EngineChoice.allCases, [true, false])
  func readsAndWrites(_ engine: EngineChoice, isPrompt: Bool) throws {
    let disk = try DiskFile(sectors: 64)
    let block = try Harness(disk.path, isPrompt: isPrompt, engine: engine)
    let read = try block.read(7, count: 1024)
    #expect(read == .init(status: 0, data: DiskFile.sector(7) + DiskFile.sector(8), used: 1025))
    #expect(try block.write(5, DiskFile.sector(99)) == .ok)
    #expect(try block.command(Harness.RequestType.flush) == .ok)
    #expect(try block.read(5, count: 512).data == DiskFile.sector(99))
    #expect(try [UInt8](disk.bytes[2560..<3072]) == DiskFile.sector(99))
    #expect(try block.read(63, count: 512).data == DiskFile.sector(63))
  }

  @Test(arguments: EngineChoice.allCases)
  func writesAreDurableWithoutFlush(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 16)
    let block = try Harness(disk.path, features: ~Harness.Feature.flush, engine: engine)
    #expect(try block.write(3, DiskFile.sector(77)) == .ok)
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(4, count: 1)) == .ok)
    #expect(try [UInt8](disk.bytes[1536..<2560]) == DiskFile.sector(77) + Self.zeroSector)
  }

  @Test func bordersOfBuffersMeanNothing() throws {
    let disk = try DiskFile(sectors: 16)
    let block = try Harness(disk.path)
    let header = Harness.header(Harness.RequestType.read, sector: 2)
    // The header in three pieces, one of them empty; the status in one buffer with the data's end.
    let pieces = [
      block.readable([UInt8](header[..<5])), .readable(0xdead_0000_0000, 0), block.readable([UInt8](header[5..<6])),
      block.readable([UInt8](header[6...])), block.writable(1), block.writable(510), block.writable(514),
      .writable(0xdead_0000_0000, 0),
    ]
    for indirect in [false, true] {
      let answer = try block.submit(pieces, indirect: indirect)
      #expect(answer == .init(status: 0, data: DiskFile.sector(2) + DiskFile.sector(3), used: 1025))
    }
    let whole = Harness.header(Harness.RequestType.write, sector: 9) + DiskFile.sector(50)
    #expect(
      try block.submit([
        block.readable([UInt8](whole[..<15])), block.readable([UInt8](whole[15..<17])),
        block.readable([UInt8](whole[17...])), block.writable(1),
      ]) == .ok)
    #expect(try block.read(9, count: 512).data == DiskFile.sector(50))
  }

  @Test func tellsItsName() throws {
    let disk = try DiskFile(sectors: 1)
    let block = try Harness(disk.path)
    let header = block.readable(Harness.header(Harness.RequestType.identify))
    let name = Array("data".utf8) + [UInt8](repeating: 0, count: 16)
    #expect(
      try block.submit([header, block.writable(20), block.writable(1)]) == .init(status: 0, data: name, used: 21))
    #expect(try block.submit([header, block.writable(5)]) == .init(status: 0, data: [UInt8](name[..<4]), used: 5))
    let long = try block.submit([header, block.writable(24)])
    // What lies between the name and the status was not written, so the length counts the name alone.
    #expect(long == .init(status: 0, data: name + [0xee, 0xee, 0xee], used: 20))
  }

  @Test(arguments: EngineChoice.allCases)
  func zeroesAndDiscards(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 64)
    let block = try Harness(disk.path, engine: engine)
    let ranges = Harness.range(2, count: 3) + Harness.range(10, count: 1, flags: 1) + Harness.range(63, count: 0)
    #expect(try block.command(Harness.RequestType.writeZeroes, ranges) == .ok)
    #expect(try block.command(Harness.RequestType.discard, Harness.range(32, count: 16)) == .ok)
    let bytes = try disk.bytes
    #expect(bytes.count == 64 * 512)
    for sector in 0..<64 {
      let isZero = [2, 3, 4, 10].contains(sector) || (32..<48).contains(sector)
      #expect([UInt8](bytes[sector * 512..<sector * 512 + 512]) == (isZero ? Self.zeroSector : DiskFile.sector(sector)))
    }
  }

  @Test(arguments: EngineChoice.allCases)
  func manyAtOnceAreOneInterrupt(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 64)
    let block = try Harness(disk.path, engine: engine)
    var heads: [UInt16: (sector: Int, address: UInt64)] = [:]
    for sector in 0..<32 {
      let data = block.writable(512)
      let header = block.readable(Harness.header(Harness.RequestType.read, sector: UInt64(sector)))
      let head = block.queue.add([header, data, block.writable(1)], indirect: true)
      heads[try #require(head)] = (sector, data.address)
    }
    block.queue.kick()
    let collected = try block.collect(32)
    #expect(collected.count == 32)
    for used in collected {
      let removed = heads.removeValue(forKey: used.head)
      let place = try #require(removed)
      #expect(used.count == 513)
      #expect(block.memory.bytes(place.address, count: 512) == DiskFile.sector(place.sector))
    }
    // What the page cache has is answered before the notification returns, all of it with one interrupt.
    #expect(block.driver.interruptCount == 1)
  }

  @Test(arguments: EngineChoice.allCases)
  func fullQueueThroughTheEngine(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 256)
    let block = try Harness(disk.path, isPrompt: false, engine: engine)
    for round in 0..<2 {
      var places: [UInt16: (sector: Int, address: UInt64)] = [:]
      for sector in 0..<256 {
        let data = block.writable(512)
        let header = block.readable(Harness.header(Harness.RequestType.read, sector: UInt64(sector)))
        let head = block.queue.add([header, data, block.writable(1)], indirect: true)
        places[try #require(head)] = (sector, data.address)
      }
      block.queue.kick()
      for used in try block.collect(256) {
        let removed = places.removeValue(forKey: used.head)
        let place = try #require(removed)
        #expect(block.memory.bytes(place.address, count: 512) == DiskFile.sector(place.sector), "round \(round)")
      }
      #expect(places.isEmpty)
    }
  }

  @Test(arguments: EngineChoice.allCases)
  func takingTheQueueBackWaitsForRequestsUnderWay(_ engine: EngineChoice) throws {
    try expectNothingUnderWay(engine) {
      $0.driver.write(.queueSel, 0)
      $0.driver.write(.queueReady, 0)
      #expect($0.driver.read(.queueReady) == 0)
    }
  }

  @Test(arguments: EngineChoice.allCases)
  func resetWaitsForRequestsUnderWay(_ engine: EngineChoice) throws {
    try expectNothingUnderWay(engine) { $0.driver.status = 0 }
  }

  /// Has many requests under way, ends them, and looks whether any goes on.
  private func expectNothingUnderWay(_ engine: EngineChoice, after end: (Harness) -> Void) throws {
    let disk = try DiskFile(sectors: 128)
    let block = try Harness(disk.path, isPrompt: false, engine: engine)
    let data = (0..<100).map { sector -> MockQueue.Buffer in
      let data = block.writable(512)
      let header = block.readable(Harness.header(Harness.RequestType.read, sector: UInt64(sector)))
      block.queue.add([header, data, block.writable(1)], indirect: true)
      return data
    }
    block.queue.kick()
    end(block)
    // Nothing comes any more: what the memory holds now, it holds.
    for buffer in data { block.memory.store([UInt8](repeating: 0x11, count: 512), at: buffer.address) }
    while block.loop.poll(timeout: 0) > 0 {}
    #expect(block.queue.publishedUsedIndex == 0)
    try block.driver.start(queueSize: 256)
    #expect(try block.read(1, count: 512).data == DiskFile.sector(1))
    for buffer in data { #expect(block.memory.bytes(buffer.address, count: 512).allSatisfy { $0 == 0x11 }) }
  }

  @Test(arguments: EngineChoice.allCases)
  func readOnlyDisksStayAsTheyAre(_ engine: EngineChoice) throws {
    let disk = try DiskFile(sectors: 8)
    let before = try disk.bytes
    let block = try Harness(disk.path, isReadOnly: true, engine: engine)
    #expect(block.driver.features & Harness.Feature.readOnly != 0)
    #expect(block.driver.features & (Harness.Feature.discard | Harness.Feature.writeZeroes) == 0)
    #expect(try block.write(1, DiskFile.sector(3)) == .failed)
    #expect(try block.command(Harness.RequestType.discard, Harness.range(1, count: 1)) == .unsupported)
    #expect(try block.command(Harness.RequestType.writeZeroes, Harness.range(1, count: 1)) == .unsupported)
    #expect(try block.command(Harness.RequestType.flush) == .ok)
    #expect(try block.read(1, count: 512).data == DiskFile.sector(1))
    #expect(try disk.bytes == before)
  }
}
