import CLinux
import Testing

@testable import KVM

@Suite struct FileDescriptorTests {
  @Test func missingFile() {
    let error = #expect(throws: SystemCallError.self) {
      _ = try FileDescriptor(opening: "/nonexistent/file", flags: O_RDONLY)
    }
    #expect(error?.code == ENOENT)
    #expect(error?.description == "open /nonexistent/file: No such file or directory")
  }

  @Test func createdInAMissingFolder() {
    let error = #expect(throws: SystemCallError.self) { _ = try FileDescriptor(creating: "/nonexistent/report") }
    #expect(error?.description == "open /nonexistent/report: No such file or directory")
  }

  @Test func opensCloseOnExec() throws {
    let file = try FileDescriptor(opening: "/dev/null", flags: O_RDONLY)
    let isClosed = isClosedOnExec(file.rawValue)
    #expect(isClosed)
  }

  @Test func closesWhenItsOwnerIsDone() throws {
    let (readEnd, writeEnd) = try pipe()
    let reader = Reader(of: readEnd)
    do {
      let owned = FileDescriptor(owning: writeEnd.rawValue)
      #expect(write(owned.rawValue, "x", 1) == 1)
    }
    // The reader saw the end of the file: nobody can write any more.
    #expect(reader.join() == [0x78])
  }

  @Test func readsAtAnOffsetUpToTheEnd() throws {
    let file = try temporaryFile(Array("0123456789".utf8))
    var buffer = [UInt8](repeating: 0xff, count: 8)
    let inside = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 1) }
    #expect(inside == 8)
    #expect(buffer == Array("12345678".utf8))
    let atEnd = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 7) }
    #expect(atEnd == 3)
    #expect(buffer == Array("78945678".utf8))
    let behind = try buffer.withUnsafeMutableBytes { try file.read(into: $0, at: 100) }
    #expect(behind == 0)
    let empty = try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0)
    #expect(empty == 0)
  }

  @Test func statusIsTheFiles() throws {
    let file = try temporaryFile([1, 2, 3])
    let size = try file.status().st_size
    #expect(size == 3)
  }

  @Test(arguments: [true, false]) func writesMoreThanAPipeHolds(blocking: Bool) throws {
    let (readEnd, writeEnd) = try pipe()
    if !blocking { try makeNonblocking(writeEnd.rawValue) }
    let sent = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let reader = Reader(of: readEnd)
    do {
      let end = FileDescriptor(owning: writeEnd.rawValue)
      try sent.withUnsafeBytes { try FileDescriptor.writeAll($0, to: end.rawValue) }
    }
    let received = reader.join()
    #expect(received == sent)
  }

  @Test func writingToAClosedDescriptorFails() {
    let error = #expect(throws: SystemCallError.self) {
      try [UInt8(1)].withUnsafeBytes { try FileDescriptor.writeAll($0, to: -1) }
    }
    #expect(error?.description == "write: Bad file descriptor")
  }

  @Test func readingAtANegativeOffsetFails() throws {
    let file = try temporaryFile([1])
    var byte: UInt8 = 0
    do {
      _ = try withUnsafeMutableBytes(of: &byte) { try file.read(into: $0, at: -1) }
      Issue.record("it was read")
    } catch let error as SystemCallError {
      #expect(error.description == "read: Invalid argument")
    }
  }
}

@Suite struct SystemCallErrorTests {
  @Test func descriptions() {
    #expect(SystemCallError("KVM_RUN", code: EFAULT).description == "KVM_RUN: Bad address")
    #expect(SystemCallError("open", path: "/a b", code: EACCES).description == "open /a b: Permission denied")
  }

  @Test func resultsPassAndNegativesThrow() throws {
    #expect(try valueOrErrno("open", 0) == 0)
    #expect(try valueOrErrno("open", .max) == .max)
    #expect(close(-1) == -1)
    let error = #expect(throws: SystemCallError.self) { try valueOrErrno("close", path: "p", -1) }
    #expect(error?.path == "p")
  }
}
