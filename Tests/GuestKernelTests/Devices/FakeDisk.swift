import MachineABI

@testable import GuestKernel

/// A block device behind a `FakeDevice`.
final class FakeDisk {
  /// A request as the device saw it.
  struct Request: Equatable {
    var type: UInt32
    var sector: UInt64
    var byteCount: Int
    var segmentCount: Int
  }

  let device = FakeDevice()
  var contents: [UInt8]
  private(set) var requests: [Request] = []
  /// The sectors of requests in the order in which they were made available.
  private(set) var arrivals: [UInt64] = []
  /// Taken from the queue, not yet completed.
  private(set) var held: [FakeDevice.Chain] = []
  /// The status that requests to a sector end with instead of being done.
  var failures: [UInt64: UInt8] = [:]
  /// Completes this many bytes less than it has written.
  var missing: UInt32 = 0

  init(sectors: Int, features: [Int32] = [], configure: (inout virtio_blk_config) -> Void = { _ in }) {
    contents = (0..<512 * sectors).map { UInt8(truncatingIfNeeded: $0 / 512 &* 7 &+ $0) }
    var configuration = virtio_blk_config()
    configuration.capacity = UInt64(sectors)
    configure(&configuration)
    device.configuration = withUnsafeBytes(of: configuration) { Array($0) }
    device.features = ([VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX] + features).reduce(0) { $0 | feature($1) }
  }

  func hold() {
    while let chain = device.takeAvailable() {
      arrivals.append(chain.readable[0].loadUnaligned(as: virtio_blk_req.self).sector)
      held.append(chain)
    }
  }

  /// Serves everything that is available.
  func serve() throws {
    hold()
    while !held.isEmpty { try complete(0) }
  }

  /// Serves one of those held.
  func complete(_ position: Int) throws {
    let chain = held.remove(at: position)
    let header = chain.readable[0].loadUnaligned(as: virtio_blk_req.self)
    let status = chain.writable.last!
    guard chain.readable[0].count == 16, status.count == 1 else { throw FakeDiskError() }
    let start = Int(header.sector) * 512
    let inputs = chain.readable.dropFirst()
    let outputs = chain.writable.dropLast()
    let byteCount = inputs.reduce(0) { $0 + $1.count } + outputs.reduce(0) { $0 + $1.count }
    requests.append(
      Request(
        type: header.type, sector: header.sector, byteCount: byteCount, segmentCount: inputs.count + outputs.count))
    var result = failures[header.sector] ?? UInt8(VIRTIO_BLK_S_OK)
    if result == 0 {
      var position = start
      switch Int32(header.type) {
      case VIRTIO_BLK_T_IN:
        for output in outputs {
          output.copyBytes(from: contents[position..<position + output.count])
          position += output.count
        }
      case VIRTIO_BLK_T_OUT:
        for input in inputs {
          contents.replaceSubrange(position..<position + input.count, with: input)
          position += input.count
        }
      case VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES:
        let range = inputs.first!.loadUnaligned(as: virtio_blk_discard_write_zeroes.self)
        guard range.flags == 0 else { throw FakeDiskError() }
        let bytes = Int(range.sector) * 512..<Int(range.sector + UInt64(range.num_sectors)) * 512
        contents.replaceSubrange(bytes, with: repeatElement(0, count: bytes.count))
      case VIRTIO_BLK_T_GET_ID: outputs.first!.copyBytes(from: Array("fake disk".utf8) + [0])
      case VIRTIO_BLK_T_FLUSH: break
      default: result = UInt8(VIRTIO_BLK_S_UNSUPP)
      }
    }
    // 255: the device leaves the status as it was.
    if result != 255 { status[0] = result }
    device.complete(id: UInt32(chain.head), written: chain.writableCount - missing)
  }
}

struct FakeDiskError: Error {}
