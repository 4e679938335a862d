import CLinux

/// A directory that is gone with all its files when its owner is done with it.
struct TemporaryDirectory: ~Copyable {
  let path: String
  private var files: [String] = []

  init() throws(Verdict) {
    let template = CStrings(["/tmp/needletail-integration.XXXXXX"])
    guard let made = mkdtemp(template.pointers[0]!) else {
      throw .failed("mkdtemp: \(String(cString: strerror(linux_errno())))")
    }
    path = String(cString: made)
    // So that an unprivileged user reaches the files in it.
    chmod(path, 0o755)
  }

  deinit {
    for file in files { unlink(file) }
    rmdir(path)
  }

  /// A path in the directory for a file that the case, or what it runs, creates.
  mutating func newPath(_ name: String) -> String {
    let file = "\(path)/\(name)"
    files.append(file)
    return file
  }

  /// Creates a file with this content.
  mutating func makeFile(_ name: String, _ content: [UInt8], mode: mode_t = 0o644) throws(Verdict) -> String {
    let file = newPath(name)
    let descriptor = linux_open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw .failed("open \(file): \(String(cString: strerror(linux_errno())))") }
    defer { close(descriptor) }
    var done = 0
    while done < content.count {
      let count = content.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, content.count - done) }
      guard count > 0 else { throw .failed("write \(file): \(String(cString: strerror(linux_errno())))") }
      done += count
    }
    return file
  }
}

/// All of a file.
func contents(of path: String) throws(Verdict) -> [UInt8] {
  let descriptor = linux_open(path, O_RDONLY | O_CLOEXEC, 0)
  guard descriptor >= 0 else { throw .failed("open \(path): \(String(cString: strerror(linux_errno())))") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  while true {
    let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<max(count, 0)]))
      return count
    }
    guard count > 0 else { return bytes }
  }
}
