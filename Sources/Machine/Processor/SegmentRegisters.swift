import CKVM

// Segment attributes as the processor checks them on entry (Intel SDM volume 3, 26.3.1.2; AMD manual volume 2, 15.5).
extension kvm_segment {
  /// Execute, read, accessed (Intel SDM volume 3, table 3-1).
  static let codeType: UInt8 = 11
  /// Read, write, accessed.
  static let dataType: UInt8 = 3

  /// A segment of code or data that is all of what can be addressed. Whether it is one of 32 or 64 bits is left open.
  static func flat(_ selector: UInt16, type: UInt8, privilegeLevel: UInt8) -> kvm_segment {
    var segment = kvm_segment()
    segment.limit = .max
    segment.selector = selector
    segment.type = type
    segment.present = 1
    segment.dpl = privilegeLevel
    segment.s = 1
    segment.g = 1
    return segment
  }

  /// A busy TSS, of 32 or 64 bits as the processor's mode has it.
  static func taskState(_ selector: UInt16 = 0, at base: UInt64 = 0, limit: UInt32) -> kvm_segment {
    var segment = kvm_segment()
    segment.base = base
    segment.limit = limit
    segment.selector = selector
    segment.type = 11  // Intel SDM volume 3, table 3-2
    segment.present = 1
    return segment
  }
}
