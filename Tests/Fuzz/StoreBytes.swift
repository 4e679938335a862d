@testable import Storage

/// The bytes of a store, and ways to change them: also with right checksums, which no mutation comes by otherwise.
struct StoreBytes {
  private(set) var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  // MARK: Damage

  mutating func overwrite(_ input: inout FuzzInput) {
    let offset = self.offset(&input)
    let new = input.take(1 + input.next(below: 32))
    for index in 0..<min(new.count, bytes.count - offset) { bytes[offset + index] = new[index] }
  }

  mutating func copySectors(_ input: inout FuzzInput) {
    let (source, target) = (sector(&input), sector(&input))
    let count = min(512 * (1 + input.next(below: 8)), bytes.count - max(source, target))
    let copy = Array(bytes[source..<source + count])
    bytes.replaceSubrange(target..<target + count, with: copy)
  }

  /// Some sectors are as they never were written.
  mutating func tear(_ input: inout FuzzInput) {
    let start = sector(&input)
    let end = min(start + 512 * (1 + input.next(below: 16)), bytes.count)
    for index in start..<end { bytes[index] = 0 }
  }

  private func sector(_ input: inout FuzzInput) -> Int { 512 * (input.next(below: 128)) % bytes.count }

  /// Mostly where something is.
  private func offset(_ input: inout FuzzInput) -> Int {
    switch input.next(UInt8.self) & 3 {
    case 0: Int(input.next(UInt8.self)) % 128 + (input.flag() ? 4096 : 0)
    case 1, 2:
      if let header = anyHeader(&input) { header + Int(input.next(UInt8.self)) } else { Int(input.next(UInt16.self)) }
    default: Int(input.next(UInt16.self))
    }
  }

  // MARK: Forgery

  /// Where something starts that looks like a batch.
  private var headers: [Int] {
    let magic: [UInt8] = [0x4e, 0x44, 0x4c, 0x42]
    return stride(from: Int(RingGeometry.ringOffset), to: bytes.count, by: 512).filter {
      bytes[$0..<$0 + 4].elementsEqual(magic)
    }
  }

  private func anyHeader(_ input: inout FuzzInput) -> Int? {
    let headers = headers
    // The last ones are those that matter.
    return headers.isEmpty ? nil : headers[input.next(below: headers.count)]
  }

  /// Changes a field of a header, and the checksum of the header with it.
  mutating func changeHeader(_ input: inout FuzzInput) {
    guard let start = anyHeader(&input) else { return }
    // The fields behind the checksum; each as wide as it is (`BatchHeader`).
    let fields = [(8, 8), (16, 8), (24, 8), (32, 8), (40, 4), (44, 4), (48, 4), (52, 4), (56, 8), (64, 8), (72, 4)]
    let (offset, width) = fields[input.next(below: fields.count)]
    change(start + offset, width: width, &input)
    sealHeader(start)
  }

  /// Changes a field of a superblock, and the checksum with it.
  mutating func changeSuperblock(_ input: inout FuzzInput) {
    let start = input.flag() ? 4096 : 0
    let fields = [(0, 8), (8, 4), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8), (56, 8), (64, 8), (72, 4)]
    let (offset, width) = fields[input.next(below: fields.count)]
    change(start + offset, width: width, &input)
    sealSuperblock(start)
  }

  /// Makes all checksums right, and the chain of them.
  mutating func seal() {
    let starts = headers.sorted { number($0 + 24, 8) < number($1 + 24, 8) }
    var previous: UInt64?
    for start in starts {
      let (records, values) = (Int(number(start + 40, 4)), Int(number(start + 48, 4)))
      let (first, middle) = (start + BatchHeader.byteCount, start + BatchHeader.byteCount + records)
      // What goes round the ring's end stays as it is.
      if middle + values <= bytes.count {
        store(UInt64(CRC32C.of(Array(bytes[first..<middle]))), start + 44, 4)
        store(UInt64(CRC32C.of(Array(bytes[middle..<middle + values]))), start + 52, 4)
      }
      if let previous { store(previous, start + 72, 4) }
      sealHeader(start)
      previous = number(start + 4, 4)
      for slot in [0, 4096] where number(slot + 48, 8) == number(start + 24, 8) { store(previous!, slot + 72, 4) }
    }
    for slot in [0, 4096] { sealSuperblock(slot) }
  }

  private mutating func sealHeader(_ start: Int) {
    store(UInt64(CRC32C.of(Array(bytes[start + 8..<start + BatchHeader.byteCount]))), start + 4, 4)
  }

  private mutating func sealSuperblock(_ start: Int) {
    store(UInt64(CRC32C.of(Array(bytes[start..<start + 508]))), start + 508, 4)
  }

  private mutating func change(_ offset: Int, width: Int, _ input: inout FuzzInput) {
    let old = number(offset, width)
    let new: UInt64
    switch input.next(UInt8.self) & 7 {
    case 0: new = old &+ UInt64(bitPattern: Int64(Int8(bitPattern: input.next())))
    case 1: new = old &+ 512 &* UInt64(bitPattern: Int64(Int8(bitPattern: input.next())))
    case 2: new = UInt64(input.next(UInt8.self))
    case 3: new = 512 &* UInt64(input.next(UInt8.self))
    case 4: new = 1 << UInt64(input.next(UInt8.self) & 63)
    case 5: new = (1 << UInt64(input.next(UInt8.self) & 63)) &- 512
    case 6: new = number(Int(input.next(UInt16.self)) % (bytes.count - 8), 8)
    default: new = input.next()
    }
    store(new, offset, width)
  }

  private func number(_ offset: Int, _ width: Int) -> UInt64 {
    (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64(8 * $1) }
  }

  private mutating func store(_ value: UInt64, _ offset: Int, _ width: Int) {
    for index in 0..<width { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }
}
