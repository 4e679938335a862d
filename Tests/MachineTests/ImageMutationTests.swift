import CLinux
import KVM
import MachineABI
import Testing

@testable import Machine

/// A real image, damaged at random: it is run or refused, and nothing else happens.
@Suite struct ImageMutationTests {
  /// The built hello image, which `make build` puts there.
  static let path = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/out/hello.elf"

  @Test func tenThousandMutations() throws {
    try mutate(try contents(), structures: { try ImageMutator.structures(of: Self.path, $0) }, seed: 0x6e65_6564_6c65)
  }

  /// Only the notes are damaged, which say what devices there are.
  @Test func tenThousandMutationsOfDeclarations() throws {
    var builder = ImageBuilder()
    builder.declare(VIRTIO_ID_CONSOLE, "console")
    builder.declare(VIRTIO_ID_BLOCK, "data")
    builder.declare(VIRTIO_ID_BLOCK, "0123456789.abcdefghij_KLMNOPQ-x")
    let notes = Int(ImageBuilder.Place.notes)
    try mutate(builder.bytes, structures: { _ in [notes..<notes + 56 + 3 * 64] }, seed: 0x6465_7669_6365)
  }

  private func mutate(_ bytes: [UInt8], structures: ([UInt8]) throws -> [Range<Int>], seed: UInt64) throws {
    var mutator = ImageMutator(bytes, structures: try structures(bytes), seed: seed)
    let file = try TemporaryFile()
    var accepted = 0
    for number in 0..<10_000 {
      let damaged = mutator.next()
      try file.replace(with: damaged)
      do {
        let image = try Image(opening: file.path)
        try exercise(image)
        accepted += 1
      } catch let error as ImageError {
        guard error.kind == .notAcceptable, !error.reason.isEmpty else {
          Issue.record("mutation \(number): \(error.description)")
          continue
        }
      }
    }
    // Both ways were taken, or the loop has shown nothing.
    #expect(accepted > 100)
    #expect(accepted < 9_900)
  }

  /// What a run does with an accepted image, and a backtrace.
  private func exercise(_ image: borrowing Image) throws {
    // A mapping: a damaged image may span a gibibyte, nearly all of it untouched.
    let mapping = try MemoryMapping(anonymous: Int(image.size))
    let memory = UnsafeMutableRawBufferPointer(start: mapping.baseAddress, count: mapping.byteCount)
    for segment in image.segments {
      let start = Int(segment.address - image.base)
      let target = UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + Int(segment.fileSize)])
      let count = try image.file.read(into: target, at: Int(segment.fileOffset))
      #expect(count == target.count)
    }
    let names = SymbolTable(of: image)
    _ = names?.symbol(at: image.entry)
    try image.relocate(memory, bias: 0x1000)
    let devices = image.devices
    #expect(Set(devices.map(\.name)).count == devices.count)
    for device in devices {
      #expect(DeviceDeclaration(kind: device.kind.virtioID, name: Array(device.name.utf8)) != nil)
    }
  }

  private func contents() throws -> [UInt8] {
    try #require(access(Self.path, R_OK) == 0, "\(Self.path): this test needs the built image (make build)")
    let file = try FileDescriptor(opening: Self.path, flags: O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: Int(try file.status().st_size))
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    #expect(count == bytes.count)
    return bytes
  }
}
