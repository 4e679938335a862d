import CELF
import KVM
import MachineABI

/// The thread-local storage that every thread starts with (`PT_TLS`; ELF TLS specification, variant II).
public struct ThreadLocalTemplate: Equatable, Sendable {
  /// The link-time address of the initial bytes; they lie within the file-backed part of one segment.
  public let address: UInt64
  /// How many initial bytes there are; at most `memorySize`.
  public let fileSize: UInt64
  /// The block's size in bytes, zero behind the initial bytes; from 1 to `ImageLimits.threadLocalSize`.
  public let memorySize: UInt64
  /// A power of two, at most the page size.
  public let alignment: UInt64
}

extension ThreadLocalTemplate {
  /// Checks an image's `PT_TLS`. Nil if it has none, or an empty one.
  init?(_ headers: borrowing ImageHeaders, in segments: [Segment]) throws(Refusal) {
    var template: GElf_Phdr?
    for header in headers.program where header.p_type == UInt32(PT_TLS) {
      guard template == nil else { throw Refusal("PT_TLS count", "2 or more", expected: "at most 1") }
      template = header
    }
    guard let template else { return nil }
    // A linker script that names the segment gets it, storage or not.
    if template.p_filesz == 0, template.p_memsz == 0 { return nil }
    guard template.p_filesz <= template.p_memsz else {
      throw Refusal("PT_TLS p_filesz", template.p_filesz, expected: "at most p_memsz, \(template.p_memsz.hexadecimal)")
    }
    guard template.p_memsz <= ImageLimits.threadLocalSize else {
      throw Refusal("PT_TLS p_memsz", template.p_memsz, expected: "at most \(ImageLimits.threadLocalSize.hexadecimal)")
    }
    let alignment = max(template.p_align, 1)  // 0 and 1 both mean none (System V ABI, chapter 5, "Program Header")
    guard alignment.nonzeroBitCount == 1, alignment <= UInt64(pageSize) else {
      throw Refusal("PT_TLS p_align", template.p_align, expected: "a power of two of at most \(pageSize)")
    }
    // Storage that starts zeroed takes no room in any segment: only the initial bytes have to be somewhere.
    guard
      segments.contains(where: { $0.holdsFileBytes(at: template.p_vaddr, count: template.p_filesz) })
        || template.p_filesz == 0
          && segments.contains(where: { $0.address <= template.p_vaddr && template.p_vaddr <= $0.pageEnd })
    else {
      throw Refusal(
        "PT_TLS p_vaddr", "\(template.p_vaddr.hexadecimal) with p_filesz \(template.p_filesz.hexadecimal)",
        expected: "to lie within the file bytes of one segment")
    }
    guard template.p_vaddr % alignment == 0 else {
      throw Refusal("PT_TLS p_vaddr", template.p_vaddr, expected: "a multiple of p_align, \(alignment)")
    }
    self.init(
      address: template.p_vaddr, fileSize: template.p_filesz, memorySize: template.p_memsz, alignment: alignment)
  }
}
