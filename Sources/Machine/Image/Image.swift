import CELF
import KVM
import MachineABI

/// An executable that has been opened, read once, and found to keep the boot contract.
///
/// Everything here was copied out of the file before it was checked, so a file that changes later changes nothing here.
/// What the segments hold is not looked at: the guest's own bytes are its own business.
public struct Image: ~Copyable, Sendable {
  /// The image as the caller named it.
  public let path: String
  /// The file, open for reading.
  public let file: FileDescriptor
  private let contents: ImageContents

  /// Opens and checks an image.
  ///
  /// - Throws: `ImageError`, which names the field, its value and what was expected.
  public init(opening path: String) throws(ImageError) {
    let image = try ImageFile(opening: path)
    do {
      contents = try ImageContents(of: image)
    } catch {
      throw ImageError(kind: .notAcceptable, path: path, reason: error.reason)
    }
    self.path = path
    file = image.takeDescriptor()
  }

  /// The loadable segments: at least one, ascending, page aligned, without a page in common, never writable and
  /// executable. One executable segment is ring 0's.
  public var segments: [Segment] { contents.segments }
  /// The link-time address of the first instruction, in an executable segment that is not ring 0's.
  public var entry: UInt64 { contents.entry }
  /// Whether the image may be placed anywhere (`ET_DYN`) or only at its link-time addresses (`ET_EXEC`).
  public var isPositionIndependent: Bool { contents.isPositionIndependent }
  /// The lowest segment's address. Link-time addresses and their sums with `size` are below `ImageLimits.addressEnd`.
  public var base: UInt64 { contents.segments[0].address }
  /// Bytes from `base` to the end of the last segment, a multiple of the page size and at most `ImageLimits.span`.
  public var size: UInt64 { contents.segments[contents.segments.count - 1].pageEnd - base }
  /// The image's note. Its `minimum_memory` is whatever the image says, up to 2^64 - 1.
  public var note: ImageNote { contents.note }
  /// What the image declares, in its order: at most `NEEDLETAIL_DEVICE_LIMIT` devices with different names, one console
  /// and one entropy device among them at most.
  public var devices: [DeclaredDevice] { contents.devices }
  /// The initial thread-local storage, if the image has any.
  public var threadLocals: ThreadLocalTemplate? { contents.threadLocals }

  /// Adds `bias` to every word that the image's relocations name.
  ///
  /// Where the relocation has an addend (`DT_RELA`), it takes the place of the word's old value.
  ///
  /// - Parameters:
  ///   - memory: the image's whole span: `size` bytes, with every segment's file bytes at its address less `base`.
  ///     Only words of segments that are not executable are written.
  ///   - bias: the address where the image will run less `base`, modulo 2^64.
  /// - Throws: `ImageError` if a relocation is of an unknown kind or outside those segments; `memory` is then
  ///   relocated in part.
  public func relocate(_ memory: UnsafeMutableRawBufferPointer, bias: UInt64) throws(ImageError) {
    do {
      _ = try contents.relocate(memory, bias: bias)
    } catch {
      throw ImageError(kind: .notAcceptable, path: path, reason: error.reason)
    }
  }
}

/// What an image's headers, notes and dynamic section say.
struct ImageContents: Sendable {
  let segments: [Segment]
  let entry: UInt64
  let isPositionIndependent: Bool
  let note: ImageNote
  let devices: [DeclaredDevice]
  let threadLocals: ThreadLocalTemplate?
  let relocations: RelocationTables

  init(of image: borrowing ImageFile) throws(Refusal) {
    let headers = try ImageHeaders(of: image)
    try headers.checkFileHeader()
    var table = try ImageSegments(headers, of: image)
    let notes = try ImageNotes(headers, of: image)
    note = try notes.requireContract()
    devices = try notes.requireDevices()
    entry = headers.file.e_entry
    try table.placeCode(entry: entry, note: note)
    segments = table.segments
    isPositionIndependent = headers.file.e_type == ET_DYN
    let lowest = ImageLimits.lowestFixedAddress(deviceCount: devices.count)
    guard isPositionIndependent || segments[0].address >= lowest else {
      throw Refusal(
        "lowest p_vaddr", segments[0].address,
        expected: "at least \(lowest.hexadecimal), as the register pages of \(devices.count) devices lie below it")
    }
    threadLocals = try ThreadLocalTemplate(headers, in: segments)
    relocations = try RelocationTables(headers, of: image, in: segments)
  }

  /// Relocates, and counts the words.
  func relocate(
    _ memory: UnsafeMutableRawBufferPointer, bias: UInt64
  ) throws(Refusal) -> (rela: UInt64, relr: UInt64) {
    let size = Int(segments[segments.count - 1].pageEnd - segments[0].address)
    precondition(memory.count >= size, "the memory to relocate is the image's whole span")
    let image = UnsafeMutableRawBufferPointer(rebasing: memory[..<size])
    var relocator = Relocator(segments, memory: image, bias: bias)
    try relocator.applyRela(relocations.rela)
    let rela = relocator.count
    try relocator.applyRelr(relocations.relr)
    return (rela, relocator.count - rela)
  }
}
