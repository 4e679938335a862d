import Glibc
import Testing

@testable import GuestKernel

/// The block device of an ordinary process: a file.
@Suite struct HostedBlockTests {
  @Test func declarations() {
    func find(_ name: String, _ declarations: String) -> String? {
      BlockFile.find(name, in: declarations).map { $0.path + ($0.isReadOnly ? " ro" : "") }
    }
    #expect(find("data", "data=/a/b") == "/a/b")
    #expect(find("data", "x=/c:data=/a/b,ro") == "/a/b ro")
    #expect(find("x", "x=/c:data=/a/b,ro") == "/c")
    #expect(find("dat", "data=/a/b") == nil)
    #expect(find("data", "data=/a=b") == "/a=b")
    #expect(find("data", "") == nil)
  }

  private static func withFile(sectors: Int, _ body: (String) async throws -> Void) async throws {
    var template = Array("/tmp/needletail-block-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(ftruncate(descriptor, off_t(512 * sectors)) == 0)
    let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    defer { unlink(path) }
    try await body(path)
  }

  @Test func readsAndWrites() async throws {
    try await Self.withFile(sectors: 16) { path in
      let device = try BlockDevice("data", declarations: "data=\(path)")
      #expect(device.byteCount == 8192 && device.sectorSize == 512 && !device.isReadOnly && device.canDiscard)
      let bytes = (0..<1024).map { UInt8(truncatingIfNeeded: $0 / 3) }
      try await device.write(at: 512, bytes)
      try await device.flush()
      var back = [UInt8](repeating: 0, count: 2048)
      try await device.read(at: 0, into: &back)
      #expect(back == [UInt8](repeating: 0, count: 512) + bytes + [UInt8](repeating: 0, count: 512))
      try await device.writeZeroes(512..<1024)
      try await device.discard(1024..<1536)
      try await device.read(at: 0, into: &back)
      #expect(back.allSatisfy { $0 == 0 })
      #expect(try await device.serial() == "data")

      await #expect(
        throws: BlockError(operation: .write, device: "data", offset: 8192, byteCount: 512, reason: .outOfRange)
      ) { try await device.write(at: 8192, [UInt8](repeating: 0, count: 512)) }
      await #expect(
        throws: BlockError(operation: .write, device: "data", offset: 0, byteCount: 3, reason: .misaligned)
      ) { try await device.write(at: 0, [1, 2, 3]) }
    }
  }

  @Test func readOnly() async throws {
    try await Self.withFile(sectors: 1) { path in
      let device = try BlockDevice("data", declarations: "data=\(path),ro")
      #expect(device.isReadOnly)
      await #expect(
        throws: BlockError(operation: .write, device: "data", offset: 0, byteCount: 512, reason: .readOnly)
      ) { try await device.write(at: 0, [UInt8](repeating: 0, count: 512)) }
    }
  }

  @Test func fileThatShrinks() async throws {
    try await Self.withFile(sectors: 4) { path in
      let device = try BlockDevice("data", declarations: "data=\(path)")
      try #require(truncate(path, 512) == 0)
      var bytes = [UInt8](repeating: 0, count: 2048)
      await #expect(
        throws: BlockError(operation: .read, device: "data", offset: 0, byteCount: 2048, reason: .systemError(EIO))
      ) { try await device.read(at: 0, into: &bytes) }
    }
  }

  @Test func notThere() {
    #expect(throws: DeviceError(device: "other", reason: .notAttached)) {
      try BlockDevice("other", declarations: "data=/dev/zero")
    }
    #expect(throws: DeviceError(device: "data", reason: .systemError(ENOENT))) {
      try BlockDevice("data", declarations: "data=/nowhere/at/all")
    }
  }
}
