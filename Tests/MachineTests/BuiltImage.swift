import CLinux
import KVM
import Testing

@testable import Machine

/// Whether this machine lets us use KVM.
let hasKVM = access(KVMSystem.devicePath, R_OK | W_OK) == 0

/// An image that `make build` puts into `out`.
enum BuiltImage {
  case hello
  case crash

  private static let folder = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/out/"

  func open() throws -> Image {
    let path = Self.folder + (self == .hello ? "hello.elf" : "crash.elf")
    try #require(access(path, R_OK) == 0, "\(path): this test needs the built image (make build)")
    return try Image(opening: path)
  }
}

/// A pipe for a guest to write to.
///
/// What it printed fits into the pipe (64 KiB), so that it can be read afterwards.
struct ConsolePipe: ~Copyable {
  private let readEnd: FileDescriptor
  private let writeEnd: FileDescriptor

  init() throws {
    var ends: [Int32] = [0, 0]
    guard pipe2(&ends, O_CLOEXEC) == 0 else { throw SystemCallError("pipe2") }
    readEnd = FileDescriptor(owning: ends[0])
    writeEnd = FileDescriptor(owning: ends[1])
  }

  /// For the machine.
  var descriptor: Int32 { writeEnd.rawValue }

  /// All that was written.
  consuming func text() -> String {
    String(decoding: bytes(), as: UTF8.self)
  }

  consuming func bytes() -> [UInt8] {
    let readEnd = self.readEnd
    _ = consume writeEnd
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(readEnd.rawValue, &buffer, buffer.count)
      guard count > 0 else { return bytes }
      bytes += buffer[..<count]
    }
  }

  /// Leaves a pipe that nobody reads.
  consuming func closeReadEnd() -> FileDescriptor { writeEnd }
}
