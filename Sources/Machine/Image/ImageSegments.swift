import CELF
import MachineABI

/// Checks the program headers and gives the loadable segments.
struct ImageSegments {
  /// Ascending, at least one.
  private(set) var segments: [Segment] = []

  init(_ headers: borrowing ImageHeaders, of image: borrowing ImageFile) throws(Refusal) {
    segments.reserveCapacity(4)
    for index in headers.program.indices {
      let header = headers.program[index]
      switch header.p_type {
      // Empty ones, which linkers leave where a script's segment got no section, are nothing to load; nor is what the image
      // has for loaders that do not know the contract.
      case UInt32(PT_LOAD)
      where header.p_memsz | header.p_filesz != 0
        && header.p_flags & UInt32(NEEDLETAIL_SEGMENT_FOR_OTHER_LOADERS) == 0:
        try append(header, name: "program header \(index)", isFixed: headers.file.e_type == ET_EXEC, image)
      case UInt32(PT_INTERP):
        throw Refusal(
          "PT_INTERP", headers.interpreter(header), expected: "a static executable, which has no interpreter")
      case UInt32(PT_GNU_STACK) where header.p_flags & UInt32(PF_X) != 0:
        throw Refusal("PT_GNU_STACK p_flags", header.flagNames, expected: "a stack that is not executable (no PF_X)")
      default:
        break
      }
    }
    guard !segments.isEmpty else { throw Refusal("PT_LOAD count", "0", expected: "at least 1 that is not empty") }
  }

  private mutating func append(
    _ header: GElf_Phdr, name: @autoclosure () -> String, isFixed: Bool, _ image: borrowing ImageFile
  ) throws(Refusal) {
    let page = UInt64(pageSize)
    guard header.p_filesz <= header.p_memsz else {
      throw Refusal("\(name()) p_filesz", header.p_filesz, expected: "at most p_memsz, \(header.p_memsz.hexadecimal)")
    }
    guard header.p_vaddr.isPageAligned else {
      throw Refusal("\(name()) p_vaddr", header.p_vaddr, expected: "a multiple of \(page.hexadecimal)")
    }
    guard header.p_offset.isPageAligned else {
      throw Refusal("\(name()) p_offset", header.p_offset, expected: "a multiple of \(page.hexadecimal)")
    }
    // A movable image is placed at any page, so that a greater alignment would be lost.
    guard header.p_align == page || isFixed && header.p_align > page && header.p_align.nonzeroBitCount == 1 else {
      throw Refusal("\(name()) p_align", header.p_align, expected: page.hexadecimal)
    }
    if isFixed && header.p_vaddr < ImageLimits.lowestFixedAddress {
      throw Refusal(
        "\(name()) p_vaddr", header.p_vaddr, expected: "at least \(ImageLimits.lowestFixedAddress.hexadecimal)")
    }
    let (end, overflow) = header.p_vaddr.addingReportingOverflow(header.p_memsz)
    guard !overflow, end <= ImageLimits.addressEnd else {
      throw Refusal(
        "\(name()) p_memsz", "\(header.p_memsz.hexadecimal) at \(header.p_vaddr.hexadecimal)",
        expected: "an end of at most \(ImageLimits.addressEnd.hexadecimal)")
    }
    if let last = segments.last, header.p_vaddr < last.pageEnd {
      throw Refusal(
        "\(name()) p_vaddr", header.p_vaddr,
        expected: "at least \(last.pageEnd.hexadecimal), the end of the segment before (ascending, no page shared)")
    }
    let base = segments.first?.address ?? header.p_vaddr
    guard end.roundedUpToPage - base <= ImageLimits.span else {
      throw Refusal(
        "\(name()) p_memsz", "\(header.p_memsz.hexadecimal) at \(header.p_vaddr.hexadecimal)",
        expected: "at most \(ImageLimits.span.hexadecimal) bytes from the image's base \(base.hexadecimal)")
    }
    try image.requireRange("\(name()) p_offset, p_filesz", at: header.p_offset, count: header.p_filesz)

    let isWritable = header.p_flags & UInt32(PF_W) != 0
    let isExecutable = header.p_flags & UInt32(PF_X) != 0
    guard header.p_flags & UInt32(PF_R) != 0, !(isWritable && isExecutable) else {
      throw Refusal("\(name()) p_flags", header.flagNames, expected: "r--, r-x or rw-")
    }
    // Segments that nobody writes are mapped straight from the file, which has no zeroes to give.
    guard isWritable || header.p_filesz == header.p_memsz else {
      throw Refusal(
        "\(name()) p_memsz", header.p_memsz,
        expected: "p_filesz, \(header.p_filesz.hexadecimal), as the segment is not writable")
    }
    segments.append(
      Segment(
        fileOffset: header.p_offset, fileSize: header.p_filesz, address: header.p_vaddr, memorySize: header.p_memsz,
        protection: Protection(isWritable: isWritable, isExecutable: isExecutable)))
  }

  /// Checks the entry and the trap table against the segments and marks the one that belongs to ring 0.
  mutating func placeCode(entry: UInt64, note: ImageNote) throws(Refusal) {
    guard let entryIndex = segments.firstIndex(where: { $0.protection.isExecutable && $0.contains(entry, count: 1) })
    else {
      throw Refusal("e_entry", entry, expected: "an address in an executable segment")
    }
    guard note.trap_table % UInt64(NEEDLETAIL_TRAP_STUB_SIZE) == 0 else {
      throw Refusal("note trap_table", note.trap_table, expected: "a multiple of \(NEEDLETAIL_TRAP_STUB_SIZE)")
    }
    let (table, overflow) = segments[0].address.addingReportingOverflow(note.trap_table)
    let size = UInt64(NEEDLETAIL_TRAP_STUB_SIZE * NEEDLETAIL_TRAP_STUB_COUNT)
    guard !overflow,
      let index = segments.firstIndex(where: { $0.protection.isExecutable && $0.contains(table, count: size) })
    else {
      throw Refusal("note trap_table", note.trap_table, expected: "\(size) bytes in an executable segment")
    }
    guard index != entryIndex else {
      throw Refusal(
        "note trap_table", note.trap_table, expected: "to be in another segment than the entry (ring 0's own)")
    }
    segments[index].isSupervisor = true
  }
}

extension ImageHeaders {
  /// The interpreter that a `PT_INTERP` names, if it can be shown.
  fileprivate func interpreter(_ header: GElf_Phdr) -> String {
    guard header.p_filesz > 1, header.p_filesz <= 256,
      let bytes = firstPage.slice(at: header.p_offset, count: header.p_filesz - 1),
      bytes.allSatisfy({ (0x20..<0x7f).contains($0) })
    else { return "present" }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension GElf_Phdr {
  /// The permissions as `ls` would print them.
  var flagNames: String {
    let read = p_flags & UInt32(PF_R) != 0 ? "r" : "-"
    let write = p_flags & UInt32(PF_W) != 0 ? "w" : "-"
    let execute = p_flags & UInt32(PF_X) != 0 ? "x" : "-"
    return read + write + execute
  }
}
