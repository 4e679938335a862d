import CELF
import MachineABI
import Testing

@testable import Machine

/// The report of `needletail inspect`.
@Suite struct ImageInspectionTests {
  @Test func rightImage() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(isAcceptable)
    #expect(
      report == """
        file          \(file.path), 16448 bytes
        type          ET_DYN, machine 62
        entry         0x201000
        segments      offset       file size    address      memory size  protection
                      0x0          0x1000       0x200000     0x1000       r--
                      0x1000       0x100        0x201000     0x100        r-x
                      0x2000       0x300        0x202000     0x300        r-x supervisor
                      0x3000       0x1000       0x203000     0x1000       r--
                      0x4000       0x40         0x204000     0x2100       rw-
        note          contract version \(NEEDLETAIL_CONTRACT_VERSION), flags 0x0
                      trap table at base + 0x2000
                      minimum memory 2097152 bytes
                      stack size 65536 bytes
        thread-locals 32 bytes, 8 of them at 0x203f00, alignment 16
        symbols       stripped
        relocations   0 RELA, 4 RELR
        accepted

        """)
  }

  /// Whatever can be read is shown, however wrong it is.
  @Test func wrongImage() throws {
    var builder = ImageBuilder()
    builder.header.e_machine = UInt16(EM_AARCH64)
    builder.note.contract_version = 99
    builder.programHeaders[ImageBuilder.Index.data].p_flags = UInt32(PF_R | PF_W | PF_X)
    let file = try TemporaryFile(builder.bytes)
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(!isAcceptable)
    #expect(report.contains("machine 183"))
    #expect(report.contains("contract version 99"))
    #expect(report.contains("rwx"))
    #expect(report.hasSuffix("not acceptable: e_machine is 183; expected 62 (EM_X86_64)\n"), "\(report)")
  }

  @Test func unreadableNote() throws {
    var builder = ImageBuilder()
    builder.programHeaders[ImageBuilder.Index.note].p_offset = .max
    let file = try TemporaryFile(builder.bytes)
    let (report, _, _) = inspection(of: file.path)
    #expect(
      report.contains("note          not readable: PT_NOTE p_offset, p_filesz is 0x38 bytes at 0xffffffffffffffff"))
  }
}
