import CLinux
import Testing

@testable import KVM

@Suite struct MemoryMappingTests {
  @Test func anonymousMemoryIsZeroed() throws {
    let mapping = try MemoryMapping(anonymous: 8192)
    let bytes = UnsafeRawBufferPointer(start: mapping.baseAddress, count: mapping.byteCount)
    #expect(bytes.count == 8192)
    #expect(UInt(bitPattern: bytes.baseAddress) % 4096 == 0)
    #expect(bytes.allSatisfy { $0 == 0 })
  }

  /// As much as the largest machine: it costs no memory until it is touched.
  @Test func largeMappingsArePossible() throws {
    let mapping = try MemoryMapping(anonymous: 17 << 30)
    (mapping.baseAddress + (17 << 30) - 1).storeBytes(of: 7, as: UInt8.self)
    #expect(mapping.byteCount == 17 << 30)
  }

  @Test(arguments: [0, 4096, 0x1f_f000, 0x20_0000, 0xf_6970_a000] as [UInt64])
  func guestMemoryLiesAsInTheGuest(_ address: UInt64) throws {
    let byteCount = 8 << 20
    let mapping = try MemoryMapping(anonymous: byteCount, at: address)
    #expect(UInt64(UInt(bitPattern: mapping.baseAddress)) % (2 << 20) == address % (2 << 20))
    mapping.preferHugePages(from: 4096)
    mapping.preferHugePages(from: byteCount)
    let bytes = UnsafeMutableRawBufferPointer(start: mapping.baseAddress, count: byteCount)
    #expect(bytes.allSatisfy { $0 == 0 })
    bytes[0] = 1
    bytes[byteCount - 1] = 1
    // What is in front and behind is nobody's: a read there is EFAULT.
    let nowhere = FileDescriptor(owning: linux_open("/dev/zero", O_RDONLY, 0))
    #expect(read(nowhere.rawValue, mapping.baseAddress + byteCount, 1) == -1)
    if UInt(bitPattern: mapping.baseAddress) % (2 << 20) != 0 {
      #expect(read(nowhere.rawValue, mapping.baseAddress - 1, 1) == -1)
    }
  }

  @Test func guestMemoryTooLarge() {
    for size in [Int.max & ~4095, 1 << 47] {
      #expect(throws: SystemCallError.self) { _ = try MemoryMapping(anonymous: size, at: 0) }
    }
  }

  @Test(arguments: [0, -4096]) func impossibleSizes(_ size: Int) {
    let error = #expect(throws: SystemCallError.self) { _ = try MemoryMapping(anonymous: size) }
    #expect(error?.operation.description == "mmap")
  }

  @Test func overlayShowsTheFileAndKeepsItAsItIs() throws {
    let content = (0..<8192).map { UInt8(truncatingIfNeeded: $0 / 32) }
    let file = try temporaryFile(content)
    let mapping = try MemoryMapping(anonymous: 4 * 4096)
    try mapping.overlay(file, at: 4096, on: 2 * 4096, byteCount: 4096)
    let bytes = UnsafeMutableRawBufferPointer(start: mapping.baseAddress, count: mapping.byteCount)
    #expect(bytes[..<8192].allSatisfy { $0 == 0 })
    #expect(Array(bytes[8192..<12288]) == Array(content[4096...]))
    #expect(bytes[12288...].allSatisfy { $0 == 0 })

    bytes[8192] = 0xee
    var inFile: UInt8 = 0
    let count = try withUnsafeMutableBytes(of: &inFile) { try file.read(into: $0, at: 4096) }
    #expect(count == 1)
    #expect(inFile == content[4096])
  }

  @Test func overlayOfAnUnalignedOffsetFails() throws {
    let file = try temporaryFile([UInt8](repeating: 1, count: 8192))
    let mapping = try MemoryMapping(anonymous: 4096)
    do throws(SystemCallError) {
      try mapping.overlay(file, at: 1, on: 0, byteCount: 4096)
      Issue.record("it was mapped")
    } catch {
      #expect(error.description == "mmap: Invalid argument")
    }
  }

  @Test func overlayOutsideTheMappingEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let file = try temporaryFile([UInt8](repeating: 1, count: 8192))
      let mapping = try MemoryMapping(anonymous: 4096)
      try mapping.overlay(file, at: 0, on: 0, byteCount: 8192)
    }
  }

  @Test func isUnmappedWithItsOwner() async {
    // In a process of its own: elsewhere another test could map the same address meanwhile.
    await #expect(processExitsWith: .success) {
      var address = UnsafeMutableRawPointer(bitPattern: 4096)!
      do {
        let mapping = try MemoryMapping(anonymous: 4096)
        address = mapping.baseAddress
        #expect(msync(address, 4096, MS_ASYNC) == 0)
      }
      let result = msync(address, 4096, MS_ASYNC)
      let code = linux_errno()
      #expect(result == -1)
      #expect(code == ENOMEM)
    }
  }
}
