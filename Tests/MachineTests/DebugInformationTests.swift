import Glibc
import Machine
import SeededRandom
import Testing

/// Looks into `out/crash.elf`, the image of `Examples/crash` with its debugging information, which `make build` makes.
struct DebugInformationTests {
  @Test func explainsAnIndexOutOfRange() throws {
    let image = try CrashImage()
    let information = try image.debugInformation()
    let traps = image.possibleTraps.filter { information.trapReason(at: $0) == "Index out of range" }
    #expect(!traps.isEmpty, "\(CrashImage.path) has no failed index check")
    let frames = traps.flatMap { information.frames(at: $0) }
    #expect(
      frames.contains { $0.file.contains("Examples/crash/") && $0.line > 0 },
      "no failed index check in \(CrashImage.path) leads to a line of Examples/crash")
    #expect(!frames.contains { $0.function?.contains("Swift runtime failure") ?? false })
  }

  @Test func functionsAreInnermostFirst() throws {
    let image = try CrashImage()
    let information = try image.debugInformation()
    let chains = image.possibleTraps.map { information.frames(at: $0) }.filter { $0.count > 1 }
    try #require(!chains.isEmpty, "nothing in \(CrashImage.path) is inlined")
    // The standard library's check is inlined into the application, never the other way round.
    let last = chains.compactMap(\.last)
    #expect(last.contains { $0.file.contains("Examples/crash/") && $0.function != nil })
    let inner = chains.filter { $0.last?.file.contains("Examples/crash/") == true }.compactMap(\.first)
    let arrayMethod = "$eSa"  // as Embedded Swift mangles it
    #expect(inner.contains { $0.function?.hasPrefix(arrayMethod) ?? false })
  }

  @Test func saysNothingOfAddressesOutsideTheImage() throws {
    let image = try CrashImage()
    let information = try image.debugInformation()
    for address in [UInt64.min, 1, .max - 1, .max] {
      #expect(information.frames(at: address).isEmpty)
      #expect(information.trapReason(at: address) == nil)
    }
  }

  @Test func refusesWhatIsNoImage() throws {
    #expect(!hasDebugInformation(-1))
    for path in ["/", "/dev/zero", "/dev/null", #filePath] {
      let file = try TestFile(opening: path)
      #expect(!hasDebugInformation(file.descriptor), "\(path)")
    }
  }

  @Test func survivesTruncationAnywhere() throws {
    let image = try CrashImage()
    for part in 0..<256 {
      let length = image.bytes.count * part / 256
      let file = try TestFile(containing: Array(image.bytes[..<length]))
      examine(file, at: image.possibleTraps)
    }
  }

  /// Reaching the end is the assertion: whatever the bytes are, the answers are nil, nothing, or wrong, but no crash.
  @Test func survivesMutation() throws {
    let image = try CrashImage()
    var generator = SeededGenerator(seed: 0x9E37_79B9_7F4A_7C15)
    for _ in 0..<500 {
      var bytes = image.bytes
      for _ in 0...Int.random(in: 0..<64, using: &generator) {
        // Half of the changes go into the debugging information, which lies behind everything that is loaded.
        let lowest = Bool.random(using: &generator) ? image.endOfSegments : 0
        bytes[Int.random(in: lowest..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      examine(try TestFile(containing: bytes), at: image.possibleTraps)
    }
  }

  private func hasDebugInformation(_ descriptor: Int32) -> Bool {
    DebugInformation(ofFile: descriptor) != nil
  }

  private func examine(_ file: TestFile, at addresses: [UInt64]) {
    guard let information = DebugInformation(ofFile: file.descriptor) else { return }
    for address in addresses.prefix(8) {
      _ = information.trapReason(at: address)
      _ = information.frames(at: address)
    }
  }
}

/// The image, which the tests trust to be well formed.
private struct CrashImage {
  static let path = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/out/crash.elf"

  let file: TestFile
  let bytes: [UInt8]
  /// Link-time addresses of the bytes of `ud2` in executable segments: all that there are, and some that only look so.
  let possibleTraps: [UInt64]
  /// Where in the file the last loaded segment ends.
  let endOfSegments: Int

  func debugInformation() throws -> DebugInformation {
    guard let information = DebugInformation(ofFile: file.descriptor) else {
      throw TestFailure(description: "\(Self.path) has no DWARF")
    }
    return information
  }

  init() throws {
    file = try TestFile(opening: Self.path)
    bytes = try file.contents()
    // ELF64: e_phoff at 32, e_phentsize at 54, e_phnum at 56; p_type, p_flags, p_offset, p_vaddr, -, p_filesz.
    let data = bytes
    func word(_ offset: Int) -> UInt64 {
      data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    }
    func half(_ offset: Int) -> Int {
      Int(data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt16.self) })
    }
    var traps: [UInt64] = []
    var end = 0
    for index in 0..<half(56) {
      let header = Int(word(32)) + index * half(54)
      let type = word(header) & 0xFFFF_FFFF
      let flags = word(header) >> 32
      guard type == 1 else { continue }  // PT_LOAD
      let offset = Int(word(header + 8))
      let size = Int(word(header + 32))
      end = max(end, offset + size)
      guard flags & 1 != 0 else { continue }  // PF_X
      for place in offset..<max(offset, offset + size - 1) where data[place] == 0x0F && data[place + 1] == 0x0B {
        traps.append(word(header + 16) + UInt64(place - offset))
      }
    }
    possibleTraps = traps
    endOfSegments = end
  }
}

/// An open file, closed with its owner.
private final class TestFile {
  let descriptor: Int32

  init(opening path: String) throws {
    let result = open(path, O_RDONLY | O_CLOEXEC)
    guard result >= 0 else {
      throw TestFailure(description: "\(path): \(String(cString: strerror(errno))); `make build` makes the images")
    }
    descriptor = result
  }

  /// A temporary file, nameless at once.
  init(containing bytes: [UInt8]) throws {
    var template = Array("/tmp/needletail-test-XXXXXX".utf8CString)
    let result = mkstemp(&template)
    guard result >= 0 else {
      throw TestFailure(description: "no temporary file in /tmp: \(String(cString: strerror(errno)))")
    }
    descriptor = result
    unlink(template)
    let written = write(descriptor, bytes, bytes.count)
    guard written == bytes.count else { throw TestFailure(description: "\(written) of \(bytes.count) bytes written") }
  }

  deinit {
    close(descriptor)
  }

  func contents() throws -> [UInt8] {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = max(0, pread(descriptor, buffer.baseAddress, size, 0))
    }
    guard bytes.count == size else { throw TestFailure(description: "read \(bytes.count) of \(size) bytes") }
    return bytes
  }
}

private struct TestFailure: Error, CustomStringConvertible {
  let description: String
}
