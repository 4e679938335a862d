import MachineABI
import Testing

@testable import Virtio

/// Guest memory with one split queue in it, driven as a well-meant driver does, and what its device says back.
///
/// Layout: descriptors at 0, the available ring at 0x2000, the used ring at 0x3000, buffers from 0x4000 on.
final class PlainQueue {
  static let size: UInt16 = 16
  static let base: UInt64 = 0x10_0000
  static let buffers: UInt64 = base + 0x4000

  let memory: UnsafeMutableRawBufferPointer
  let regions: GuestRegions
  private(set) var queue: Virtqueue!
  private(set) var interrupts = 0
  private(set) var failure: String?
  private var available: UInt16 = 0
  private var seen: UInt16 = 0
  private var nextBuffer = PlainQueue.buffers

  struct Piece {
    var address: UInt64
    var count: Int
    var isForDevice: Bool
  }

  init(bufferBytes: Int = 1 << 20) throws {
    memory = .allocate(byteCount: 0x4000 + bufferBytes, alignment: 4096)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    regions = GuestRegions([
      GuestRegion(
        range: Self.base..<Self.base + UInt64(memory.count), host: memory.baseAddress!, isWritable: true)
    ])
    let rings = try VirtqueueRings(
      VirtqueueAddresses(descriptors: Self.base, driver: Self.base + 0x2000, device: Self.base + 0x3000),
      size: UInt32(Self.size), limit: Self.size, memory: regions)
    queue = Virtqueue(
      rings: rings, features: 1 << UInt64(VIRTIO_F_VERSION_1), memory: regions,
      interrupt: { [unowned self] in interrupts += 1 },
      needsReset: { [unowned self] in failure = "\($0)" })
  }

  deinit {
    memory.deallocate()
  }

  func host(_ address: UInt64) -> UnsafeMutableRawPointer { memory.baseAddress! + Int(address - Self.base) }

  /// Makes a chain available whose descriptors are `head` and those after it.
  func post(_ pieces: [Piece], head: UInt16 = 0) {
    for (index, piece) in pieces.enumerated() {
      let number = Int(head) + index
      var flags = piece.isForDevice ? UInt16(VIRTQ_DESC_F_WRITE) : 0
      if index < pieces.count - 1 { flags |= UInt16(VIRTQ_DESC_F_NEXT) }
      memory.baseAddress!.assumingMemoryBound(to: virtq_desc.self)[number] = virtq_desc(
        addr: piece.address, len: UInt32(piece.count), flags: flags, next: UInt16(number + 1))
    }
    let ring = memory.baseAddress! + 0x2000
    ring.storeBytes(of: head, toByteOffset: 4 + 2 * Int(available % Self.size), as: UInt16.self)
    available &+= 1
    ring.storeBytes(of: available, toByteOffset: 2, as: UInt16.self)
  }

  /// Makes a buffer for the device available; returns where it is.
  @discardableResult
  func postWritable(_ count: Int, head: UInt16 = 0) -> UInt64 {
    let address = nextBuffer
    nextBuffer += UInt64(count)
    post([Piece(address: address, count: count, isForDevice: true)], head: head)
    return address
  }

  /// Makes `pieces` available for the device to read.
  func postReadable(_ pieces: [[UInt8]], head: UInt16 = 0) {
    var chain: [Piece] = []
    for piece in pieces {
      host(nextBuffer).copyMemory(from: piece, byteCount: piece.count)
      chain.append(Piece(address: nextBuffer, count: piece.count, isForDevice: false))
      nextBuffer += UInt64(piece.count)
    }
    post(chain, head: head)
  }

  /// What was given back since the last call.
  func takeUsed() -> [Used] {
    let ring = memory.baseAddress! + 0x3000
    let index = ring.load(fromByteOffset: 2, as: UInt16.self)
    var used: [Used] = []
    while seen != index {
      let entry = ring.load(fromByteOffset: 4 + 8 * Int(seen % Self.size), as: virtq_used_elem.self)
      used.append(Used(head: entry.id, written: entry.len))
      seen &+= 1
    }
    return used
  }

  struct Used: Equatable {
    var head: UInt32
    var written: UInt32
  }

  func bytes(at address: UInt64, count: Int) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: host(address), count: count))
  }
}
