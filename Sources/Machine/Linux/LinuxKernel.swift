import CELF
import KVM
import MachineABI

/// A Linux kernel that can be entered as a PVH guest: an ELF `vmlinux` with Xen's note that says where (Xen,
/// docs/misc/pvh.pandoc; Linux, arch/x86/platform/pvh). Its headers have been read once and checked.
public struct LinuxKernel: ~Copyable, Sendable {
  /// The kernel as the caller named it.
  public let path: String
  let file: FileDescriptor
  let contents: LinuxKernelContents

  /// Opens and checks a kernel.
  ///
  /// - Throws: `ImageError`, which names what is wrong and what was expected.
  public init(opening path: String) throws(ImageError) {
    let opened = try ImageFile(opening: path)
    do {
      contents = try LinuxKernelContents(of: opened)
    } catch {
      throw ImageError(kind: .notAcceptable, path: path, reason: error.reason)
    }
    self.path = path
    file = opened.takeDescriptor()
  }

  /// Whether a file means to be a Linux kernel, whatever its faults: it has Xen's note and not ours, or is a bzImage.
  public static func isMeant(by path: String) -> Bool {
    guard let file = try? ImageFile(opening: path) else { return false }
    return isMeant(by: file)
  }

  static func isMeant(by file: borrowing ImageFile) -> Bool {
    if LinuxKernelContents.isBzImage(file) { return true }
    guard let headers = try? ImageHeaders(of: file), let notes = try? LinuxKernelNotes(headers, of: file) else {
      return false
    }
    return notes.entry != nil && !notes.isImage
  }
}

/// What a kernel's headers and notes say.
struct LinuxKernelContents: Sendable {
  /// A part of the file, and where it goes.
  struct Segment: Equatable, Sendable {
    let fileOffset: UInt64
    let fileSize: UInt64
    /// Guest-physical, from `LinuxMemoryMap.kernelStart` up; `memorySize` bytes, up to 4 GiB and not none.
    let address: UInt64
    let memorySize: UInt64

    var range: Range<UInt64> { address..<address + memorySize }
  }

  /// At least one, ascending, without an address in common.
  let segments: [Segment]
  /// The physical address of the 32-bit entry point, in an executable segment.
  let entry: UInt32
  /// The address behind the last segment.
  var end: UInt64 { segments[segments.count - 1].range.upperBound }

  init(of file: borrowing ImageFile) throws(Refusal) {
    guard !Self.isBzImage(file) else {
      throw Refusal(
        "file type", "a bzImage",
        expected: "the vmlinux inside it (scripts/extract-vmlinux of Linux's sources unpacks it)")
    }
    let headers = try ImageHeaders(of: file)
    try headers.checkFileHeader()
    let notes = try LinuxKernelNotes(headers, of: file)
    guard !notes.isImage else {
      throw Refusal("Needletail note", "present", expected: "a Linux kernel, as --initrd and --cmdline are for one")
    }
    guard let address = notes.entry else {
      throw Refusal("PVH note", "missing", expected: "a Linux kernel that was built with CONFIG_PVH")
    }
    segments = try Self.segments(headers, of: file)
    guard
      headers.program.contains(where: {
        $0.p_type == UInt32(PT_LOAD) && $0.p_flags & UInt32(PF_X) != 0 && address >= $0.p_paddr
          && address - $0.p_paddr < $0.p_filesz
      }), let entry = UInt32(exactly: address)
    else { throw Refusal("PVH note's entry", address, expected: "an address in an executable PT_LOAD") }
    self.entry = entry
  }

  private static func segments(
    _ headers: borrowing ImageHeaders, of file: borrowing ImageFile
  ) throws(Refusal) -> [Segment] {
    var segments: [Segment] = []
    for header in headers.program where header.p_type == UInt32(PT_LOAD) && header.p_memsz > 0 {
      try file.requireRange("PT_LOAD p_offset, p_filesz", at: header.p_offset, count: header.p_filesz)
      guard header.p_filesz <= header.p_memsz else {
        throw Refusal("PT_LOAD p_filesz", header.p_filesz, expected: "at most p_memsz, \(header.p_memsz.hexadecimal)")
      }
      let start = LinuxMemoryMap.kernelStart, end = LinuxMemoryMap.addressEnd
      guard header.p_paddr >= start, header.p_paddr < end, header.p_memsz <= end - header.p_paddr else {
        throw Refusal(
          "PT_LOAD p_paddr, p_memsz", "\(header.p_memsz.hexadecimal) bytes at \(header.p_paddr.hexadecimal)",
          expected: "to lie from \(start.hexadecimal) to \(end.hexadecimal)")
      }
      segments.append(
        Segment(
          fileOffset: header.p_offset, fileSize: header.p_filesz, address: header.p_paddr, memorySize: header.p_memsz))
    }
    guard !segments.isEmpty else { throw Refusal("PT_LOAD count", "0", expected: "1 or more") }
    segments.sort { $0.address < $1.address }
    for (lower, upper) in zip(segments, segments.dropFirst()) where lower.range.upperBound > upper.address {
      throw Refusal(
        "PT_LOAD p_paddr", upper.address, expected: "at least \(lower.range.upperBound.hexadecimal), the end of another"
      )
    }
    return segments
  }

  // Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header".
  private static let bootFlagOffset = 0x1fe
  private static let bootFlag: UInt16 = 0xaa55
  private static let headerOffset = 0x202
  private static let header: UInt32 = 0x5372_6448  // "HdrS"

  /// Whether a file is a kernel for boot loaders, with the kernel proper compressed inside.
  static func isBzImage(_ file: borrowing ImageFile) -> Bool {
    let count = headerOffset + MemoryLayout<UInt32>.size
    guard let start = try? FileExcerpt(of: file.descriptor, at: 0, count: count), start.count == count else {
      return false
    }
    return start.bytes.loadUnaligned(fromByteOffset: bootFlagOffset, as: UInt16.self) == bootFlag
      && start.bytes.loadUnaligned(fromByteOffset: headerOffset, as: UInt32.self) == header
  }
}

/// What the notes of a file say of it as a kernel.
struct LinuxKernelNotes {
  /// The PVH entry point's physical address.
  private(set) var entry: UInt64?
  /// Whether it is one of our images, which may be PVH kernels as well.
  private(set) var isImage = false

  // Xen, xen/include/public/elfnote.h.
  private static let owner: StaticString = "Xen"
  private static let entryType: UInt32 = 18  // XEN_ELFNOTE_PHYS32_ENTRY

  init(_ headers: borrowing ImageHeaders, of file: borrowing ImageFile) throws(Refusal) {
    try headers.forEachNote(of: file) { note throws(Refusal) in
      if note.isOwned(by: ImageNotes.owner) { isImage = true }
      guard note.isOwned(by: Self.owner), note.type == Self.entryType else { return }
      // "The descriptor is a pointer to the entry point", of either width.
      switch note.descriptor.count {
      case 4: entry = UInt64(note.descriptor.loadUnaligned(as: UInt32.self))
      case 8: entry = note.descriptor.loadUnaligned(as: UInt64.self)
      case let count: throw Refusal("PVH note n_descsz", "\(count)", expected: "4 or 8")
      }
    }
  }
}
