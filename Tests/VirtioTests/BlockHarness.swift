import CLinux
import KVM
import Testing

@testable import Virtio

/// A file for tests to make disks of, gone with the last reference to it.
final class DiskFile {
  let path: String

  init(_ bytes: [UInt8]) throws {
    var template = Array("/tmp/needletail-disk-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw SystemCallError("mkstemp") }
    defer { close(descriptor) }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    try bytes.withUnsafeBytes { try FileDescriptor.writeAll($0, to: descriptor) }
  }

  /// Every sector begins with its number and goes on with a pattern.
  convenience init(sectors: Int) throws {
    try self.init((0..<sectors).flatMap(Self.sector))
  }

  deinit { unlink(path) }

  static func sector(_ number: Int) -> [UInt8] {
    (0..<512).map { UInt8(truncatingIfNeeded: $0 < 4 ? number >> (8 * $0) : number &* 31 &+ $0) }
  }

  var bytes: [UInt8] {
    get throws {
      let file = try FileDescriptor(opening: path, flags: O_RDONLY)
      var bytes = [UInt8](repeating: 0, count: Int(try file.status().st_size))
      _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
      return bytes
    }
  }
}

/// Which engine a test's device has.
enum EngineChoice: CaseIterable {
  case ring
  case threads

  func make(_ file: Int32, _ capacity: Int) throws(SystemCallError) -> any BlockEngine {
    switch self {
    case .ring: try RingEngine(file: file, capacity: capacity)
    case .threads: try ThreadEngine(file: file, capacity: capacity)
    }
  }
}

/// A block device, its driver, and a loop that the test turns itself.
final class BlockHarness {
  /// §5.2.6
  enum RequestType {
    static let read: UInt32 = 0
    static let write: UInt32 = 1
    static let flush: UInt32 = 4
    static let identify: UInt32 = 8
    static let discard: UInt32 = 11
    static let writeZeroes: UInt32 = 13
  }
  enum Status {
    static let ok: UInt8 = 0
    static let failed: UInt8 = 1
    static let unsupported: UInt8 = 2
  }
  /// §5.2.3
  enum Feature {
    static let readOnly: UInt64 = 1 << 5
    static let flush: UInt64 = 1 << 9
    static let discard: UInt64 = 1 << 13
    static let writeZeroes: UInt64 = 1 << 14
  }
  struct Answer: Equatable {
    var status: UInt8
    var data: [UInt8] = []
    var used: UInt32
  }

  let loop = DeviceLoop(startsThread: false)
  let driver: MockDriver
  let memory: GuardedMemory
  var queue: MockQueue { driver.queues[0] }

  /// - Parameter isPrompt: false for everything to go through the engine.
  convenience init(
    _ path: String, isReadOnly: Bool = false, isDirect: Bool = false, isPrompt: Bool = true,
    features: UInt64 = .max, memory: GuardedMemory = GuardedMemory(), engine: EngineChoice = .ring,
    now: @escaping () -> ThreadTime = ThreadTime.now
  ) throws {
    try self.init(
      BlockFile(opening: path, isReadOnly: isReadOnly, isDirect: isDirect), isPrompt: isPrompt, features: features,
      memory: memory, now: now, makeEngine: engine.make)
  }

  init(
    _ file: consuming BlockFile, isPrompt: Bool, features: UInt64 = .max, memory: GuardedMemory = GuardedMemory(),
    now: @escaping () -> ThreadTime = ThreadTime.now,
    makeEngine: @escaping (_ file: Int32, _ capacity: Int) throws(SystemCallError) -> any BlockEngine
  ) throws {
    let device = BlockDevice(
      file: file, name: "data", loop: loop, isPrompt: isPrompt, now: now, makeEngine: makeEngine)
    driver = MockDriver(device, memory: memory, loop: loop)
    self.memory = memory
    try driver.start(features: features, queueSize: 256)
  }

  static func header(_ type: UInt32, sector: UInt64 = 0) -> [UInt8] {
    littleEndian(type) + littleEndian(0 as UInt32) + littleEndian(sector)
  }
  static func range(_ sector: UInt64, count: UInt32, flags: UInt32 = 0) -> [UInt8] {
    littleEndian(sector) + littleEndian(count) + littleEndian(flags)
  }
  private static func littleEndian<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
  }

  /// A buffer for each array that the device may read.
  func readable(_ bytes: [UInt8], alignment: UInt64 = 16) -> MockQueue.Buffer {
    let address = memory.allocate(bytes.count, alignment: alignment)
    memory.store(bytes, at: address)
    return .readable(address, bytes.count)
  }

  /// A buffer that the device may write, filled with what it does not write.
  func writable(_ count: Int, alignment: UInt64 = 16) -> MockQueue.Buffer {
    let address = memory.allocate(count, alignment: alignment)
    memory.store([UInt8](repeating: 0xee, count: count), at: address)
    return .writable(address, count)
  }

  /// Turns the loop until `count` requests have come back.
  func collect(_ count: Int) throws -> [MockQueue.Used] {
    var collected = queue.collect()
    // Completions of io_uring interrupt the wait; the turn that they are for follows.
    var turnsInVain = 0
    while collected.count < count {
      // A bound for when the device is broken: nothing depends on how long it takes.
      if loop.poll(timeout: 10_000) == 0 { turnsInVain += 1 }
      try #require(turnsInVain < count + 16, "the device answers")
      collected += queue.collect()
    }
    return collected
  }

  /// One whole request; its last writable byte is the status.
  func submit(_ buffers: [MockQueue.Buffer], indirect: Bool = false) throws -> Answer {
    let added = queue.add(buffers, indirect: indirect)
    let head = try #require(added)
    queue.kick()
    let collected = try collect(1)
    #expect(collected.map(\.head) == [head])
    var written = buffers.filter { $0.isWritable && $0.count > 0 }.flatMap {
      memory.bytes($0.address, count: Int($0.count))
    }
    let status = written.removeLast()
    return Answer(status: status, data: written, used: collected[0].count)
  }

  func read(_ sector: UInt64, count: Int) throws -> Answer {
    return try submit([readable(Self.header(RequestType.read, sector: sector)), writable(count), writable(1)])
  }
  func write(_ sector: UInt64, _ bytes: [UInt8]) throws -> Answer {
    try submit([readable(Self.header(RequestType.write, sector: sector)), readable(bytes), writable(1)])
  }
  func command(_ type: UInt32, _ data: [UInt8] = []) throws -> Answer {
    try submit([readable(Self.header(type) + data), writable(1)])
  }
}

extension BlockHarness.Answer {
  static let ok = Self(status: BlockHarness.Status.ok, used: 1)
  static let failed = Self(status: BlockHarness.Status.failed, used: 1)
  static let unsupported = Self(status: BlockHarness.Status.unsupported, used: 1)
}
