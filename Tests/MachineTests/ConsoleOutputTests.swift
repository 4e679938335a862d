import CLinux
import KVM
import MachineABI
import Testing

@testable import Machine

/// The guest's output, whatever the guest says of its length.
@Suite struct ConsoleOutputTests {
  /// A shared page whose console buffer counts up, and the bytes of that buffer.
  private static func page() -> (page: UnsafeMutablePointer<SharedPage>, buffer: [UInt8]) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: pageSize, alignment: pageSize)
    for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index % 251) }
    let page = bytes.baseAddress!.assumingMemoryBound(to: SharedPage.self)
    return (page, Array(bytes[Int(NEEDLETAIL_CONSOLE_BUFFER_OFFSET)...]))
  }

  @Test(arguments: [0, 1, 2, 3583, 3584, 3585, 4096, 0x7fff_ffff, 0x8000_0000, .max] as [UInt32])
  func writesAtMostTheBuffer(length: UInt32) throws {
    let (page, buffer) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    page.pointee.console_length = length
    let pipe = try ConsolePipe()
    var console = ConsoleOutput(descriptor: pipe.descriptor)
    let isOpen = try console.drain(page)
    #expect(isOpen)
    #expect(page.pointee.console_length == 0)
    let expected = Array(buffer.prefix(Int(length)))
    #expect(console.byteCount == expected.count)
    let written = pipe.bytes()
    #expect(written == expected)
  }

  @Test func drainingTwiceWritesOnce() throws {
    let (page, buffer) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    page.pointee.console_length = 5
    let pipe = try ConsolePipe()
    var console = ConsoleOutput(descriptor: pipe.descriptor)
    let isOpen = [try console.drain(page), try console.drain(page)]
    #expect(isOpen == [true, true])
    #expect(console.byteCount == 5)
    let written = pipe.bytes()
    #expect(written == Array(buffer[..<5]))
  }

  @Test func nobodyReads() async {
    // In a process of its own: SIGPIPE is the whole process's.
    await #expect(processExitsWith: .success) {
      _ = linux_ignore_signal(SIGPIPE)
      let (page, _) = Self.page()
      page.pointee.console_length = 5
      let end = try ConsolePipe().closeReadEnd()
      var console = ConsoleOutput(descriptor: end.rawValue)
      let isOpen = try console.drain(page)
      #expect(isOpen == false)
      #expect(console.byteCount == 0)
    }
  }

  @Test func otherErrorsAreErrors() throws {
    let (page, _) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    page.pointee.console_length = 5
    var console = ConsoleOutput(descriptor: -1)
    do {
      _ = try console.drain(page)
      Issue.record("it was written")
    } catch {
      #expect(error.description == "write: Bad file descriptor")
    }
  }
}
