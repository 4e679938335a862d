#if !hasFeature(Embedded)
  import CGuestKernel
  import Glibc
  import MachineABI

  /// A block device of the hosted build: a file.
  final class BlockFile: Sendable {
    let geometry: BlockGeometry
    private let descriptor: Int32
    private let name: String

    /// What the environment says of block devices.
    static var environment: String { getenv("NEEDLETAIL_BLOCK").map { String(cString: $0) } ?? "" }

    /// Opens the file that `declarations`, a value of NEEDLETAIL_BLOCK, name for a device.
    init(_ name: String, declarations: String) throws(DeviceError) {
      guard let (path, isReadOnly) = Self.find(name, in: declarations) else {
        throw DeviceError(device: name, reason: .notAttached)
      }
      self.name = name
      descriptor = Glibc.open(path, (isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
      guard descriptor >= 0 else { throw DeviceError(device: name, reason: .systemError(errno)) }
      // Also tells a block special file's size, which fstat(2) does not.
      let size = lseek(descriptor, 0, SEEK_END)
      guard size >= 0 else {
        let code = errno
        close(descriptor)
        throw DeviceError(device: name, reason: .systemError(code))
      }
      var geometry = BlockGeometry(byteCount: UInt64(size) & ~(BlockGeometry.sectorSize - 1))
      geometry.isReadOnly = isReadOnly
      geometry.canFlush = true
      geometry.discardSectors = .max / BlockGeometry.sectorSize
      geometry.writeZeroesSectors = .max / BlockGeometry.sectorSize
      self.geometry = geometry
    }

    deinit { close(descriptor) }

    /// The path that a value of NEEDLETAIL_BLOCK gives a device, and whether it is only for reading.
    static func find(_ name: String, in declarations: String) -> (path: String, isReadOnly: Bool)? {
      for declaration in declarations.split(separator: ":") {
        guard let equals = declaration.firstIndex(of: "="), declaration[..<equals] == name else { continue }
        let path = declaration[declaration.index(after: equals)...]
        return path.hasSuffix(",ro") ? (String(path.dropLast(3)), true) : (String(path), false)
      }
      return nil
    }

    /// As `BlockDriver.perform`; blocks the calling thread.
    nonisolated(nonsending) func perform(
      _ operation: BlockError.Operation, memory: UInt64, offset: UInt64, byteCount: UInt64
    ) async -> BlockFailure? {
      let data = UnsafeMutableRawPointer(bitPattern: UInt(memory))
      let code: Int32
      switch operation {
      case .read: code = wholly(data!, offset, byteCount, pread)
      case .write: code = wholly(data!, offset, byteCount) { pwrite($0, $1, $2, $3) }
      case .flush: code = fdatasync(descriptor) == 0 ? 0 : errno
      case .discard: code = allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, byteCount)
      case .writeZeroes: code = allocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, byteCount)
      case .identify:
        let bytes = UnsafeMutableRawBufferPointer(start: data, count: Int(byteCount))
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        bytes.copyBytes(from: name.utf8.prefix(bytes.count))
        code = 0
      }
      guard code != 0 else { return nil }
      let reason: BlockError.Reason = code == EOPNOTSUPP ? .unsupported : .systemError(code)
      return BlockFailure(offset: offset, byteCount: byteCount, reason: reason)
    }

    /// Repeats a call of the system until everything is moved; returns 0 or an error code.
    private func wholly(
      _ data: UnsafeMutableRawPointer, _ offset: UInt64, _ byteCount: UInt64,
      _ move: (Int32, UnsafeMutableRawPointer?, Int, off_t) -> Int
    ) -> Int32 {
      var done = 0
      while done < Int(byteCount) {
        let count = move(descriptor, data + done, Int(byteCount) - done, off_t(offset) + off_t(done))
        if count < 0 {
          if errno == EINTR { continue }
          return errno
        }
        // The file was cut off behind our back.
        if count == 0 { return EIO }
        done += count
      }
      return 0
    }

    private func allocate(_ mode: Int32, _ offset: UInt64, _ byteCount: UInt64) -> Int32 {
      fallocate(descriptor, mode, Int(offset), Int(byteCount)) == 0 ? 0 : errno
    }
  }
#endif
