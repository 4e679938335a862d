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

  /// A stop flag that nobody sets.
  nonisolated(unsafe) private static let neverStop: UnsafePointer<UInt8> = {
    let flag = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
    flag.pointee = 0
    return UnsafePointer(flag)
  }()

  @Test(arguments: [0, 1, 2, 3327, 3328, 3329, 4096, 0x7fff_ffff, 0x8000_0000, .max] as [UInt32], [0, 1] as [UInt8])
  func writesAtMostTheBuffer(length: UInt32, stopFlag: UInt8) throws {
    let (page, buffer) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    page.pointee.console_length = length
    let pipe = try ConsolePipe()
    var console = ConsoleOutput(descriptor: pipe.descriptor)
    // A machine that was told to stop writes all the same, as long as that does not make it wait.
    var stopFlag = stopFlag
    let delivery = try console.drain(page, stopFlag: &stopFlag)
    #expect(delivery == .written)
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
    var stopFlag: UInt8 = 0
    for _ in 0..<2 {
      let delivery = try console.drain(page, stopFlag: &stopFlag)
      #expect(delivery == .written)
    }
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
      var stopFlag: UInt8 = 0
      let delivery = try console.drain(page, stopFlag: &stopFlag)
      #expect(delivery == .closed)
      #expect(console.byteCount == 0)
    }
  }

  /// A stopped machine does not wait for a reader.
  @Test func stoppedWithAFullPipe() throws {
    let (page, _) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    let pipe = try ConsolePipe()
    var console = ConsoleOutput(descriptor: pipe.descriptor)
    var stopFlag: UInt8 = 1
    var count = 0
    repeat {
      page.pointee.console_length = 3328
      count += 1
    } while try console.drain(page, stopFlag: &stopFlag) == .written && count < 100
    #expect(count < 100, "a pipe is never full")
    let written = pipe.bytes()
    #expect(written.count == console.byteCount)
    #expect(written.count == 3328 * (count - 1))
  }

  @Test func otherErrorsAreErrors() throws {
    let (page, _) = Self.page()
    defer { UnsafeMutableRawPointer(page).deallocate() }
    page.pointee.console_length = 5
    var console = ConsoleOutput(descriptor: -1)
    var stopFlag: UInt8 = 0
    do throws(SystemCallError) {
      _ = try console.drain(page, stopFlag: &stopFlag)
      Issue.record("it was written")
    } catch {
      #expect(error.description == "write: Bad file descriptor")
    }
  }
}
