import CELF
import MachineABI
import Testing

@testable import Machine

/// Which files are Linux kernels, and what is said of those that are not or cannot be run.
@Suite struct LinuxKernelTests {
  typealias Place = ImageBuilder.Place
  private static let base = ImageBuilder.base
  private static let entry = base + Place.text + 0x10

  /// An executable with a PVH note and none of ours.
  private static func kernel(note: [UInt8]? = nil, _ change: (inout ImageBuilder) -> Void = { _ in }) -> [UInt8] {
    var builder = ImageBuilder()
    builder.hasNote = false
    builder.header.e_type = UInt16(ET_EXEC)
    builder.otherNotes = [
      ImageBuilder.encodedNote(owner: "Linux", type: 18, descriptor: [1, 2, 3]),
      ImageBuilder.encodedNote(owner: "Xen", type: 18, descriptor: note ?? ImageBuilder.encoded(entry)),
    ]
    change(&builder)
    return builder.bytes
  }

  private static var bzImage: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 0x400)
    bytes.replaceSubrange(0x1fe..<0x200, with: [0x55, 0xaa])
    bytes.replaceSubrange(0x202..<0x206, with: Array("HdrS".utf8))
    return bytes
  }

  @Test(arguments: [4, 8]) func accepted(noteSize: Int) throws {
    let file = try TemporaryFile(Self.kernel(note: Array(ImageBuilder.encoded(Self.entry).prefix(noteSize))))
    let kernel = try LinuxKernel(opening: file.path)
    #expect(kernel.contents.entry == UInt32(Self.entry))
    #expect(kernel.contents.segments.map(\.address) == [0, 0x1000, 0x2000, 0x3000, 0x4000].map { Self.base + $0 })
    #expect(kernel.contents.end == Self.base + Place.data + 0x2100)
    #expect(LinuxKernel.isMeant(by: file.path))
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(isAcceptable)
    #expect(report.hasSuffix("Linux kernel  PVH entry at 0x201010\naccepted\n"), "\(report)")
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]
    let reason: String
    var isMeant = true
  }

  static let refused = [
    Refused(
      testDescription: "no ELF", bytes: [UInt8](repeating: 0x41, count: 4096),
      reason: "EI_MAG is 0x41414141; expected 0x7f454c46 (an ELF file)", isMeant: false),
    Refused(
      testDescription: "bzImage", bytes: bzImage,
      reason: "file type is a bzImage; expected the vmlinux inside it"
        + " (scripts/extract-vmlinux of Linux's sources unpacks it)"),
    Refused(
      testDescription: "no PVH note", bytes: kernel { $0.otherNotes.removeLast() },
      reason: "PVH note is missing; expected a Linux kernel that was built with CONFIG_PVH", isMeant: false),
    Refused(
      testDescription: "an image", bytes: kernel { $0.hasNote = true },
      reason: "Needletail note is present; expected a Linux kernel, as --initrd and --cmdline are for one",
      isMeant: false),
    Refused(
      testDescription: "note of another size", bytes: kernel(note: [1, 2]),
      reason: "PVH note n_descsz is 2; expected 4 or 8", isMeant: false),
    Refused(
      testDescription: "another machine", bytes: kernel { $0.header.e_machine = UInt16(EM_AARCH64) },
      reason: "e_machine is 183; expected 62 (EM_X86_64)"),
    Refused(
      testDescription: "entry nowhere", bytes: kernel(note: ImageBuilder.encoded(base + 0x10_0000)),
      reason: "PVH note's entry is 0x300000; expected an address in an executable PT_LOAD"),
    Refused(
      testDescription: "entry in data", bytes: kernel(note: ImageBuilder.encoded(base + Place.data)),
      reason: "PVH note's entry is 0x204000; expected an address in an executable PT_LOAD"),
    Refused(
      testDescription: "entry beyond 32 bits", bytes: kernel(note: ImageBuilder.encoded(entry | 1 << 40)),
      reason: "PVH note's entry is 0x10000201010; expected an address in an executable PT_LOAD"),
    Refused(
      testDescription: "a segment in low memory",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.headers].p_paddr = 0x1000 },
      reason: "PT_LOAD p_paddr, p_memsz is 0x1000 bytes at 0x1000; expected to lie from 0x100000 to 0x100000000"),
    Refused(
      testDescription: "a segment beyond 4 GiB",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.data].p_memsz = .max },
      reason: "PT_LOAD p_paddr, p_memsz is 0xffffffffffffffff bytes at 0x204000;"
        + " expected to lie from 0x100000 to 0x100000000"),
    Refused(
      testDescription: "a segment at the end of all addresses",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.data].p_paddr = .max },
      reason: "PT_LOAD p_paddr, p_memsz is 0x2100 bytes at 0xffffffffffffffff;"
        + " expected to lie from 0x100000 to 0x100000000"),
    Refused(
      testDescription: "more in the file than in memory",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.data].p_memsz = 0x10 },
      reason: "PT_LOAD p_filesz is 0x40; expected at most p_memsz, 0x10"),
    Refused(
      testDescription: "a segment beyond the file",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.data].p_offset = 0x10_0000 },
      reason: "PT_LOAD p_offset, p_filesz is 0x40 bytes at 0x100000; expected to lie within the file's 16448 bytes"),
    Refused(
      testDescription: "segments at one place",
      bytes: kernel { $0.programHeaders[ImageBuilder.Index.data].p_paddr = base + Place.constants + 8 },
      reason: "PT_LOAD p_paddr is 0x203008; expected at least 0x204000, the end of another"),
    Refused(
      testDescription: "no segments",
      bytes: kernel { builder in
        for index in 0...ImageBuilder.Index.data { builder.programHeaders[index].p_type = UInt32(PT_NULL) }
      }, reason: "PT_LOAD count is 0; expected 1 or more"),
  ]

  @Test(arguments: refused) func refusals(_ refused: Refused) throws {
    let file = try TemporaryFile(refused.bytes)
    do throws(ImageError) {
      _ = try LinuxKernel(opening: file.path)
      Issue.record("accepted")
    } catch {
      #expect(error.kind == .notAcceptable)
      #expect(error.reason == refused.reason)
    }
    #expect(LinuxKernel.isMeant(by: file.path) == refused.isMeant)
    let (report, isAcceptable, _) = inspection(of: file.path)
    // A file that does not mean to be a kernel is judged as an image.
    if refused.isMeant { #expect(report.hasSuffix("not acceptable: \(refused.reason)\n"), "\(report)") }
    #expect(!isAcceptable || refused.testDescription == "an image")
  }

  @Test func missing() {
    #expect(!LinuxKernel.isMeant(by: "/nonexistent/vmlinux"))
    #expect {
      _ = try LinuxKernel(opening: "/nonexistent/vmlinux")
    } throws: {
      ($0 as? ImageError)?.kind == .notFound
    }
  }

  // MARK: Memory

  private func map(_ memorySize: UInt64, initrdSize: UInt64?) throws -> LinuxMemoryMap {
    let file = try TemporaryFile(Self.kernel())
    let kernel = try LinuxKernel(opening: file.path)
    return try LinuxMemoryMap(memorySize: memorySize, kernel: kernel.contents, initrdSize: initrdSize)
  }

  @Test func theInitialRAMDiskIsAtTheEndOfMemory() throws {
    #expect(try map(64 << 20, initrdSize: 5000).initrd == 0x3ff_e000..<0x3ff_e000 + 5000)
    #expect(try map(64 << 20, initrdSize: nil).initrd.isEmpty)
    // Down to the page behind the kernel, which ends at 0x206100.
    let most = UInt64(64 << 20) - 0x20_7000
    #expect(try map(64 << 20, initrdSize: most).initrd.lowerBound == 0x20_7000)
    #expect {
      _ = try map(64 << 20, initrdSize: most + 1)
    } throws: {
      ($0 as? LinuxError)?.description
        == "initrd size is \(most + 1) bytes; expected at most \(most), which the kernel leaves of the memory"
    }
    #expect(throws: LinuxError.self) { _ = try map(64 << 20, initrdSize: .max) }
  }

  @Test func memoryIsBounded() throws {
    #expect(try map(3 << 30, initrdSize: nil).ranges.last?.range == 0x10_0000..<3 << 30)
    #expect {
      _ = try map((3 << 30) + 4096, initrdSize: nil)
    } throws: {
      ($0 as? LinuxError)?.description
        == "memory size is 3145732K; expected a multiple of 4K up to 3072M for a Linux kernel"
    }
    #expect {
      _ = try map(2 << 20, initrdSize: nil)
    } throws: {
      ($0 as? LinuxError)?.description == "memory size is 2048K; expected at least 2073K, where the kernel ends"
    }
  }
}
