import CELF
import CLinux
import KVM

/// An ELF note (System V ABI, chapter 5, "Note Section").
struct ELFNote {
  let type: UInt32
  /// Its owner's name, with the terminator. Valid, like `descriptor`, for as long as whoever got the note is called.
  let name: UnsafeRawBufferPointer
  let descriptor: UnsafeRawBufferPointer

  /// Whether a note's name is this, its terminator included.
  func isOwned(by owner: StaticString) -> Bool {
    guard name.count == owner.utf8CodeUnitCount + 1, name[name.count - 1] == 0 else { return false }
    return memcmp(name.baseAddress!, owner.utf8Start, owner.utf8CodeUnitCount) == 0
  }
}

extension ImageHeaders {
  /// Calls `body` for each note of every `PT_NOTE`, in their order.
  func forEachNote(
    of image: borrowing ImageFile, _ body: (ELFNote) throws(Refusal) -> Void
  ) throws(Refusal) {
    for header in program where header.p_type == UInt32(PT_NOTE) && header.p_filesz > 0 {
      try image.requireRange("PT_NOTE p_offset, p_filesz", at: header.p_offset, count: header.p_filesz)
      guard header.p_filesz <= ImageLimits.noteSize else {
        throw Refusal("PT_NOTE p_filesz", header.p_filesz, expected: "at most \(ImageLimits.noteSize.hexadecimal)")
      }
      // libelf knows two note layouts; gABI 8-byte notes are those in a segment of that alignment.
      let type = header.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR
      if let bytes = firstPage.slice(at: header.p_offset, count: header.p_filesz) {
        try Self.forEachNote(in: bytes, type, body)
      } else {
        let excerpt = try FileExcerpt(of: image.descriptor, at: header.p_offset, count: Int(header.p_filesz))
        guard excerpt.count == Int(header.p_filesz) else { throw Refusal("PT_NOTE: the file became shorter") }
        try Self.forEachNote(in: excerpt.bytes, type, body)
      }
    }
  }

  private static func forEachNote(
    in bytes: UnsafeRawBufferPointer, _ type: Elf_Type, _ body: (ELFNote) throws(Refusal) -> Void
  ) throws(Refusal) {
    var data = Elf_Data()
    data.d_buf = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
    data.d_size = bytes.count
    data.d_type = type
    data.d_version = UInt32(EV_CURRENT)
    var offset = 0
    while offset < bytes.count {
      var note = GElf_Nhdr()
      var name = 0
      var descriptor = 0
      let next = gelf_getnote(&data, offset, &note, &name, &descriptor)
      guard next > offset, next <= bytes.count, name <= bytes.count, Int(note.n_namesz) <= bytes.count - name,
        descriptor <= bytes.count, Int(note.n_descsz) <= bytes.count - descriptor
      else {
        throw Refusal(
          "PT_NOTE entry", "malformed at \(UInt64(offset).hexadecimal)",
          expected: "to lie within the segment's \(UInt64(bytes.count).hexadecimal) bytes")
      }
      offset = next
      try body(
        ELFNote(
          type: note.n_type, name: UnsafeRawBufferPointer(rebasing: bytes[name..<name + Int(note.n_namesz)]),
          descriptor: UnsafeRawBufferPointer(rebasing: bytes[descriptor..<descriptor + Int(note.n_descsz)])))
    }
  }
}
