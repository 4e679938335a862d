import CLinux
import KVM
import MachineABI

@testable import Virtio

/// Requests of a hostile driver to a disk, whose engine answers when and as the input says.
let blockTarget = FuzzTarget(name: "block") { bytes in
  var input = FuzzInput(bytes)
  let choice = input.next(UInt8.self)
  let disk = Disk.shared
  disk.reset()
  guard let file = disk.open(isReadOnly: choice & 1 != 0) else { fatalError("the disk is free") }
  // A file that was cut short gives nothing to who does not wait, so that everything is the engine's.
  if choice & 2 != 0 { disk.cut(to: Int(choice >> 4) * 512) }
  let script = EngineScript()
  let loop = DeviceLoop(startsThread: false)
  let device = BlockDevice(file: file, name: "fuzzed", loop: loop) { _, capacity throws(SystemCallError) in
    guard choice & 12 != 12 else { throw SystemCallError("engine", code: ENOMEM) }
    return ScriptedEngine(script, capacity: capacity)
  }
  let driver = HostileDriver(device)
  driver.start(&input)
  while !input.isAtEnd {
    let kind = input.next(below: HostileDriver.stepCount + 8)
    switch kind - HostileDriver.stepCount {
    case 0, 1, 2: driver.addBlockRequest(&input)
    case 3, 4: script.results.append(input.engineResult())
    case 5, 6: script.end(input.next(below: 4)); loop.poll(timeout: 0)
    case 7: script.end(.max); loop.poll(timeout: 0)
    default: driver.step(kind, &input)
    }
    driver.checkPage()
  }
  driver.end()
  require(script.underWay.isEmpty, "nothing is under way in a stopped device")
  loop.end()
}

/// The file behind every disk here.
private final class Disk: @unchecked Sendable {
  static let shared = Disk()
  static let byteCount = 32 << 10
  private let descriptor = openMemoryFile()
  private let content = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  func reset() {
    require(ftruncate(descriptor, Self.byteCount) == 0, "a file")
    require(pwrite(descriptor, content, content.count, 0) == content.count, "a file")
  }
  func cut(to byteCount: Int) { require(ftruncate(descriptor, byteCount) == 0, "a file") }
  func open(isReadOnly: Bool) -> BlockFile? {
    try? BlockFile(opening: path(of: descriptor), isReadOnly: isReadOnly)
  }
}

/// What an engine is to answer, and what it has been asked.
private final class EngineScript {
  var underWay: [BlockOperation] = []
  /// Results for the next operations to end; those without one succeed.
  var results: [Int32] = []
  /// How many operations have ended without the device having taken note.
  var endedCount = 0
  var event: Int32 = -1

  /// Lets the next operations end.
  func end(_ count: Int) {
    endedCount = min(underWay.count, count)
    var one: UInt64 = 1
    if event >= 0 { _ = write(event, &one, 8) }
  }
}

private final class ScriptedEngine: BlockEngine {
  let eventDescriptor: Int32
  private let script: EngineScript
  private let capacity: Int

  init(_ script: EngineScript, capacity: Int) {
    self.script = script
    self.capacity = capacity
    eventDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    script.event = eventDescriptor
  }

  deinit {
    require(script.underWay.isEmpty, "an engine that is drained before it ends")
    script.event = -1
    close(eventDescriptor)
  }

  func add(_ operation: BlockOperation) {
    require(script.underWay.count < capacity, "more operations than the engine takes")
    require(!script.underWay.contains { $0.tag == operation.tag }, "two operations with one name")
    check(operation)
    script.underWay.append(operation)
  }

  func handOver() {}

  func service(_ ended: (_ tag: Int, _ result: Int32) -> Void) {
    var count: UInt64 = 0
    _ = read(eventDescriptor, &count, 8)
    // Those that `ended` adds are for the next time.
    for _ in 0..<min(script.endedCount, script.underWay.count) {
      let operation = script.underWay.removeFirst()
      let moved = perform(operation)
      guard !script.results.isEmpty else {
        ended(operation.tag, Int32(moved))
        continue
      }
      let result = script.results.removeFirst()
      // An engine never moves more than it was asked for.
      ended(operation.tag, result < 0 ? result : min(result, Int32(moved)))
    }
    script.endedCount = 0
  }

  func drain() {
    for operation in script.underWay { _ = perform(operation) }
    script.underWay = []
  }

  private func check(_ operation: BlockOperation) {
    let end = Disk.byteCount
    require(operation.offset >= 0 && operation.offset <= end, "an offset outside the disk")
    require(operation.length >= 0 && operation.length <= end - operation.offset, "a length outside the disk")
    var total = 0
    for vector in operation.vectors {
      require(vector.iov_len > 0, "an empty piece")
      total += vector.iov_len
    }
    require(total <= end - operation.offset, "data outside the disk")
    switch operation.kind {
    case .read, .write, .durableWrite: require(total > 0 && total % 512 == operation.residue, "whole sectors")
    case .deallocate, .zero: require(operation.length > 0 && operation.length % 512 == 0, "whole sectors")
    case .flush: break
    }
  }

  /// Touches what the operation may; returns how many bytes it moves.
  private func perform(_ operation: BlockOperation) -> Int {
    var total = 0
    for vector in operation.vectors {
      total += vector.iov_len
      if operation.kind == .read { memset(vector.iov_base, 0x5a, vector.iov_len) }
      _ = vector.iov_base.load(as: UInt8.self)
      _ = vector.iov_base.load(fromByteOffset: vector.iov_len - 1, as: UInt8.self)
    }
    return total
  }
}

extension BlockOperation {
  /// What its end has beyond whole sectors: a short answer before leaves it at any byte.
  fileprivate var residue: Int { (512 - offset % 512) % 512 }
}

extension FuzzInput {
  fileprivate mutating func engineResult() -> Int32 {
    let choice = next(UInt8.self)
    switch choice & 7 {
    case 0: return -EIO
    case 1: return -EINTR
    case 2: return -EAGAIN
    case 3: return -EOPNOTSUPP
    case 4: return -ENOSPC
    case 5: return 0
    default: return Int32(choice) * 16 + 1
    }
  }
}

extension HostileDriver {
  /// A request much as §5.2.6 has it.
  fileprivate func addBlockRequest(_ input: inout FuzzInput) {
    let size = Int(layouts[0].size)
    guard size >= 4 else { return }
    let header = memory.main.address + 0x4000
    let types: [UInt32] = [0, 1, 4, 8, 11, 13]
    let choice = input.next(UInt8.self)
    let type = choice & 7 < 6 ? types[Int(choice & 7)] : UInt32(input.next(UInt16.self))
    memory.store(type, at: header)
    memory.store(choice & 8 == 0 ? UInt64(input.next(UInt8.self)) : input.next(UInt64.self), at: header + 8)
    let data = header + 0x1000 + UInt64(input.next(UInt8.self)) * 0x80
    var counts = [UInt32(input.next(below: 8)) * 512, 0]
    if type == 11 || type == 13 {
      counts[0] = UInt32(1 + input.next(below: 3)) * 16
      for index in 0..<UInt64(counts[0] / 16) {
        memory.store(UInt64(input.next(UInt8.self)), at: data + 16 * index)
        memory.store(UInt32(input.next(UInt8.self)), at: data + 16 * index + 8)
        memory.store(UInt32(input.next(below: 4)), at: data + 16 * index + 12)
      }
    } else if choice & 16 != 0 {
      // In two pieces, anywhere.
      counts[1] = UInt32(input.next(UInt16.self)) % (counts[0] + 1)
      counts[0] -= counts[1]
    }
    let first = input.next(below: size)
    let table = layouts[0].descriptors
    let isRead = type == 0 || type == 8
    func place(_ index: Int) -> UInt64 { table &+ 16 * UInt64((first + index) % size) }
    func next(_ index: Int) -> UInt16 { UInt16((first + index + 1) % size) }
    setDescriptor(at: place(0), address: header, count: choice & 32 == 0 ? 16 : 13, flags: 1, next: next(0))
    for index in 0...1 {
      setDescriptor(
        at: place(1 + index), address: data + UInt64(index) * UInt64(counts[0]), count: counts[index],
        flags: isRead ? 3 : 1, next: next(1 + index))
    }
    setDescriptor(at: place(3), address: header + 0x800, count: 1, flags: 2, next: 0)
    makeAvailable(0, head: UInt16(first))
    if choice & 64 == 0 { notify(0) }
  }
}
