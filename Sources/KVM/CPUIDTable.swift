import CKVM

/// A `struct kvm_cpuid2` with room for a number of leaves behind it.
struct CPUIDTable: ~Copyable {
  /// What KVM_SET_CPUID2 takes at the most (KVM_MAX_CPUID_ENTRIES in the kernel).
  static let limit = 256

  /// Invariant: followed by `capacity` entries, and ours.
  let header: UnsafeMutablePointer<kvm_cpuid2>
  private var entries: UnsafeMutablePointer<kvm_cpuid_entry2> { cpuid_table_entries(header) }

  /// - Parameter capacity: up to `limit`.
  init(capacity: Int) {
    precondition(capacity <= Self.limit)
    let size = MemoryLayout<kvm_cpuid2>.size + capacity * MemoryLayout<kvm_cpuid_entry2>.stride
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    header = memory.baseAddress!.assumingMemoryBound(to: kvm_cpuid2.self)
    header.pointee.nent = UInt32(capacity)
  }

  init(_ leaves: [CPUIDLeaf]) {
    self.init(capacity: leaves.count)
    for (index, leaf) in leaves.enumerated() { leaf.store(to: entries + index) }
  }

  deinit {
    UnsafeMutableRawPointer(header).deallocate()
  }

  var leaves: [CPUIDLeaf] {
    (0..<min(Int(header.pointee.nent), Self.limit)).map { CPUIDLeaf(entries[$0]) }
  }
}
