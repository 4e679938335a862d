import CLinux
import KVM
import Testing

@testable import Machine

/// What is said of files that hold no image at all.
@Suite struct ImageFileTests {
  private func refusal(_ path: String) -> ImageError? {
    do throws(ImageError) {
      _ = try Image(opening: path)
      return nil
    } catch {
      let (report, isAcceptable, _) = inspection(of: path)
      #expect(!isAcceptable)
      #expect(report.hasSuffix("not acceptable: \(error.reason)\n"), "\(report)")
      return error
    }
  }

  @Test func missing() throws {
    let error = try #require(refusal("/nonexistent/hello.elf"))
    #expect(error.kind == .notFound)
    #expect(error.description == "/nonexistent/hello.elf: No such file or directory")
  }

  @Test func belowAFile() throws {
    let error = try #require(refusal("/dev/null/hello.elf"))
    #expect(error.kind == .notFound)
    #expect(error.description == "/dev/null/hello.elf: Not a directory")
  }

  @Test func noName() throws {
    #expect(try #require(refusal("")).kind == .notFound)
  }

  @Test("not regular", arguments: [("/tmp", "a directory"), ("/dev/zero", "a character device")])
  func irregular(_ path: String, _ kind: String) throws {
    let error = try #require(refusal(path))
    #expect(error.kind == .notAcceptable)
    #expect(error.description == "\(path): file type is \(kind); expected a regular file")
  }

  @Test func fifo() throws {
    let file = try TemporaryFile()
    try #require(unlink(file.path) == 0)
    try #require(mkfifo(file.path, 0o600) == 0)
    let error = try #require(refusal(file.path))  // nobody writes: must not wait for one
    #expect(error.kind == .notAcceptable)
    #expect(error.reason == "file type is a FIFO; expected a regular file")
  }

  @Test func socket() throws {
    let file = try TemporaryFile()
    try #require(unlink(file.path) == 0)
    try #require(mknod(file.path, mode_t(S_IFSOCK) | 0o600, 0) == 0)
    let error = try #require(refusal(file.path))
    #expect(error.kind == .notAcceptable)
    #expect(error.reason == "file type is a socket; expected a regular file")
  }

  @Test func empty() throws {
    let file = try TemporaryFile()
    let error = try #require(refusal(file.path))
    #expect(error.kind == .notAcceptable)
    #expect(error.reason == "file size is 0 (empty); expected an ELF image")
  }

  @Test func noPermission() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    try file.setMode(0)
    let user = setfsuid(65534)
    defer { _ = setfsuid(UInt32(bitPattern: user)) }
    let error = try #require(refusal(file.path))
    #expect(error.kind == .notAcceptable)
    #expect(error.description == "\(file.path): Permission denied")
  }

  @Test func loopOfLinks() throws {
    let file = try TemporaryFile()
    try #require(unlink(file.path) == 0)
    try #require(symlink(file.path, file.path) == 0)
    let error = try #require(refusal(file.path))
    #expect(error.kind == .notAcceptable)
    #expect(error.reason == "Too many levels of symbolic links")
  }

  @Test func text() throws {
    let file = try TemporaryFile(Array("#!/bin/sh\n".utf8))
    #expect(try #require(refusal(file.path)).reason == "EI_MAG is 0x23212f62; expected 0x7f454c46 (an ELF file)")
  }

  /// Cut off anywhere, in whatever structure, an image is refused: the last segment ends with the file.
  @Test func everyTruncation() throws {
    let bytes = ImageBuilder().bytes
    let file = try TemporaryFile(bytes)
    _ = try Image(opening: file.path)
    for size in stride(from: bytes.count - 1, through: 0, by: -1) {
      try file.truncate(to: size)
      do throws(ImageError) {
        _ = try Image(opening: file.path)
        Issue.record("accepted \(size) of \(bytes.count) bytes")
      } catch {
        guard error.kind == .notAcceptable, error.reason.contains("\(size)") || error.reason.contains("EI_MAG") else {
          Issue.record("\(size) bytes: \(error.reason)")
          continue
        }
      }
    }
  }

  /// The loader reads little: opening an image must not depend on its size.
  @Test func sparseGiant() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    try file.truncate(to: 1 << 42)
    _ = try Image(opening: file.path)
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(isAcceptable)
    #expect(report.contains("symbols       not readable"), "\(report)")
  }

  @Test func descriptorsAreClosed() throws {
    let right = try TemporaryFile(ImageBuilder().bytes)
    let wrong = try TemporaryFile([1, 2, 3])
    var descriptors: Set<Int32> = []
    // Other tests open files meanwhile; a leak of one per image would still show as ever higher numbers.
    for _ in 0..<2000 {
      #expect(refusal(wrong.path) != nil)
      let image = try Image(opening: right.path)
      descriptors.insert(image.file.rawValue)
    }
    #expect(descriptors.count < 500)
  }
}
