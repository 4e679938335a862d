import MachineABI

@testable import Virtio

/// Where a driver has put the descriptor table of a queue that is ready.
struct DescriptorTable {
  var address: UInt64
  /// How many descriptors it has.
  var size: UInt32
}

/// What a chain of descriptors is, by the text of virtio-1.2 §2.7.5 and §2.7.5.3 alone: what the device made of it is held
/// against this. Guard pages show a read outside the guest's memory; this shows one that is inside it and still wrong.
struct ChainOracle {
  struct Segment: Equatable {
    var host: UnsafeRawPointer
    var count: Int
    var isWritable: Bool
  }

  private var segments: [Segment] = []

  /// Walks the chain that begins at `head`, and ends the process if no device may accept it.
  ///
  /// - Parameter features: what was negotiated.
  static func segments(of head: UInt16, in table: DescriptorTable, features: UInt64) -> [Segment] {
    var oracle = ChainOracle()
    oracle.walk(table, from: UInt32(head), isIndirect: false, queueSize: table.size, features: features)
    return oracle.segments.filter { $0.count > 0 }
  }

  private mutating func walk(
    _ table: DescriptorTable, from first: UInt32, isIndirect: Bool, queueSize: UInt32, features: UInt64
  ) {
    var index = first
    while true {
      require(index < table.size, "a descriptor outside its table")
      let place = table.address + 16 * UInt64(index)
      let address = load(place, UInt64.self)
      let length = load(place + 8, UInt32.self)
      let flags = Int32(load(place + 12, UInt16.self))
      if flags & VIRTQ_DESC_F_INDIRECT != 0 {
        require(features & feature(VIRTIO_F_INDIRECT_DESC) != 0, "an indirect table that was not negotiated")
        require(!isIndirect && flags & VIRTQ_DESC_F_NEXT == 0, "an indirect table where there can be none")
        require(length > 0 && length % 16 == 0, "an indirect table that is no table")
        let inner = DescriptorTable(address: address, size: length / 16)
        return walk(inner, from: 0, isIndirect: true, queueSize: queueSize, features: features)
      }
      let isWritable = flags & VIRTQ_DESC_F_WRITE != 0
      require(isWritable || segments.last?.isWritable != true, "readable behind writable")
      // Nobody touches an empty buffer, wherever it is.
      let host = length > 0 ? self.host(address, count: Int(length)) : UnsafeRawPointer(GuestMemory.shared.main.host)
      segments.append(Segment(host: host, count: Int(length), isWritable: isWritable))
      require(segments.count <= Int(queueSize), "a chain longer than its queue")
      guard flags & VIRTQ_DESC_F_NEXT != 0 else { return }
      index = UInt32(load(place + 14, UInt16.self))
    }
  }

  private func load<Value: FixedWidthInteger>(_ address: UInt64, _ type: Value.Type) -> Value {
    Value(littleEndian: host(address, count: MemoryLayout<Value>.size).loadUnaligned(as: type))
  }

  private func host(_ address: UInt64, count: Int) -> UnsafeRawPointer {
    for area in GuestMemory.shared.areas where address >= area.address {
      let offset = address - area.address
      if offset < UInt64(area.count), count <= area.count - Int(offset) {
        return UnsafeRawPointer(area.host + Int(offset))
      }
    }
    fatalError("the device accepts what is outside memory")
  }
}
