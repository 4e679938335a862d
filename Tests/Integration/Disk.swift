import CLinux

/// A file that is a machine's disk, in a directory of its own.
struct Disk: ~Copyable {
  let path: String
  private let directory: TemporaryDirectory

  /// - Parameter stamp: what each of its bytes is; a disk of zeros is sparse.
  init(byteCount: Int, stamp: UInt8 = 0) throws(Verdict) {
    let disk = try Self(stamp == 0 ? [] : [UInt8](repeating: stamp, count: byteCount))
    if stamp == 0 { try disk.resize(to: byteCount) }
    self = disk
  }

  init(_ content: [UInt8]) throws(Verdict) {
    var directory = try TemporaryDirectory()
    path = try directory.makeFile("disk", content)
    self.directory = directory
  }

  func resize(to byteCount: Int) throws(Verdict) {
    guard truncate(path, off_t(byteCount)) == 0 else {
      throw .failed("truncate \(path): \(String(cString: strerror(linux_errno())))")
    }
  }

  func write(_ bytes: [UInt8], at offset: Int) throws(Verdict) {
    let descriptor = linux_open(path, O_WRONLY | O_CLOEXEC, 0)
    defer { close(descriptor) }
    let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
    guard count == bytes.count else { throw .failed("write \(path): \(String(cString: strerror(linux_errno())))") }
  }

  func contents() throws(Verdict) -> [UInt8] { try integration.contents(of: path) }

  /// What the probe's `checksum` prints.
  func checksum() throws(Verdict) -> UInt64 { wordHash(try contents()) }

  /// The options that attach it.
  func attached(as name: String, _ flags: String = "") -> [String] { ["--block", "\(name)=\(path)\(flags)"] }
}

/// The two disks that the image `device-probe` has.
struct ProbeDisks: ~Copyable {
  let data: Disk
  let log: Disk

  init(dataBytes: Int = 1 << 20, logBytes: Int = 64 << 10, logStamp: UInt8 = 0) throws(Verdict) {
    let data = try Disk(byteCount: dataBytes)
    log = try Disk(byteCount: logBytes, stamp: logStamp)
    self.data = data
  }

  func options(_ dataFlags: String = "", log logFlags: String = "") -> [String] {
    data.attached(as: "data", dataFlags) + log.attached(as: "log", logFlags)
  }
}

/// The same number as the probe's `WordHash`: FNV-1a with 64-bit words in place of bytes.
func wordHash(_ bytes: [UInt8]) -> UInt64 {
  bytes.withUnsafeBytes { bytes in
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in 0..<bytes.count / 8 {
      hash = (hash ^ bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)) &* 0x100_0000_01b3
    }
    return hash
  }
}
