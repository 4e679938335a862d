import GuestKernel
import ProbeSupport

let blockProbes: [Probe] = [
  Probe("info") { _ in
    for name in ["data", "log"] {
      let disk = open(name)
      var serial = "none"
      do throws(BlockError) { serial = try await disk.serial() } catch { serial = error.description }
      print(
        "\(disk.name): \(disk.byteCount) bytes, sector size \(disk.sectorSize), "
          + "\(disk.isReadOnly ? "read-only" : "writable"), \(disk.canDiscard ? "can" : "cannot") discard, serial '\(serial)'"
      )
    }
  },
  // DISK OPERATION..., which are: read OFFSET COUNT, write OFFSET COUNT BYTE, zeroes OFFSET COUNT, discard OFFSET COUNT,
  // flush, say WORD, exit STATUS, and until BYTE: reads the disk's first byte until it is that one.
  Probe("block") { arguments in
    let disk = open(arguments[0])
    var words = arguments.dropFirst()
    while let operation = words.popFirst() { await perform(operation, on: disk, &words) }
  },
  Probe("open") { arguments in
    do throws(DeviceError) {
      print("opened '\(try BlockDevice(arguments[0]).name)'")
    } catch {
      print(error.description)
    }
  },
  // DISK: what is on it, in one number.
  Probe("checksum") { arguments in
    let disk = open(arguments[0])
    print("checksum \((await checksum(of: disk)).hexadecimal)")
  },
]

/// Opens a disk that must be there.
func open(_ name: String) -> BlockDevice {
  do throws(DeviceError) {
    return try BlockDevice(name)
  } catch {
    fatalError(error.description)
  }
}

/// The FNV-1a hash of all that is on a disk, by 64-bit words.
func checksum(of disk: BlockDevice) async -> UInt64 {
  var hash = WordHash()
  var offset: UInt64 = 0
  while offset < disk.byteCount {
    var chunk = [UInt8](repeating: 0, count: Int(min(disk.byteCount - offset, 1 << 20)))
    await must { () async throws(BlockError) in try await disk.read(at: offset, into: &chunk) }
    hash.add(chunk)
    offset += UInt64(chunk.count)
  }
  return hash.value
}

/// FNV-1a (Fowler, Noll, Vo) with 64-bit words in place of bytes.
struct WordHash {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { bytes in
      for index in 0..<bytes.count / 8 {
        value = (value ^ bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)) &* 0x100_0000_01b3
      }
    }
  }
}

/// Ends the machine with the error's words if there is one.
func must(_ body: () async throws(BlockError) -> Void) async {
  do throws(BlockError) { try await body() } catch { fatalError(error.description) }
}

private func perform(_ operation: String, on disk: BlockDevice, _ words: inout ArraySlice<String>) async {
  func number() -> UInt64 {
    guard let word = words.popFirst(), let number = UInt64(word) else { fatalError("expected a number") }
    return number
  }
  do throws(BlockError) {
    switch operation {
    case "read":
      let offset = number()
      var bytes = [UInt8](repeating: 0xee, count: Int(number()))
      try await disk.read(at: offset, into: &bytes)
      print("read \(bytes.count) at \(offset): \(runs(bytes))")
    case "write":
      let offset = number()
      let length = Int(number())
      let bytes = [UInt8](repeating: UInt8(number()), count: length)
      try await disk.write(at: offset, bytes)
      print("wrote \(bytes.count) at \(offset)")
    case "zeroes", "discard":
      let offset = number()
      let range = offset..<offset + number()
      if operation == "zeroes" { try await disk.writeZeroes(range) } else { try await disk.discard(range) }
      print("\(operation) \(range.count) at \(offset): done")
    case "flush":
      try await disk.flush()
      print("flushed")
    case "until":
      let byte = UInt8(number())
      var sector = [UInt8](repeating: ~byte, count: 512)
      while sector[0] != byte {
        try await disk.read(at: 0, into: &sector)
        await Task.yield()
      }
    case "say": print(words.popFirst() ?? "")
    case "exit": Kernel.exit(Int32(number()))
    default: fatalError("no operation '\(operation)'")
    }
  } catch {
    print(error.description)
  }
}

/// Like "512 x 7, 512 x 0": what a buffer holds that holds long runs of the same byte.
private func runs(_ bytes: [UInt8]) -> String {
  var runs: [String] = []
  var start = 0
  for index in bytes.indices where index + 1 == bytes.count || bytes[index + 1] != bytes[start] {
    guard runs.count < 8 else { return runs.joined(separator: ", ") + ", ..." }
    runs.append("\(index + 1 - start) x \(bytes[start])")
    start = index + 1
  }
  return runs.isEmpty ? "nothing" : runs.joined(separator: ", ")
}
