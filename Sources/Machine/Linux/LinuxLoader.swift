import KVM

/// Puts a kernel and what it is told into a machine's memory.
struct LinuxLoader {
  let map: LinuxMemoryMap
  let tables: ACPITables

  /// - Parameter memory: `map.memorySize` bytes, all zero.
  func load(
    _ kernel: borrowing LinuxKernel, _ initrd: borrowing ImageFile?, _ commandLine: LinuxCommandLine,
    into memory: borrowing MemoryMapping
  ) throws(MachineError) {
    for segment in kernel.contents.segments {
      let target = UnsafeMutableRawBufferPointer(
        start: memory.baseAddress + Int(segment.address), count: Int(segment.fileSize))
      guard try read(kernel.file, at: Int(segment.fileOffset), into: target) else {
        throw .linux(.kernelTruncated(path: kernel.path))
      }
    }
    switch initrd {
    case .some(let file):
      let target = UnsafeMutableRawBufferPointer(
        start: memory.baseAddress + Int(map.initrd.lowerBound), count: map.initrd.count)
      // One that became shorter ends in zeros, and an archive may.
      _ = try read(file.descriptor, at: 0, into: target)
    case .none: break
    }
    write(Array(commandLine.text.utf8) + [0], at: LinuxMemoryMap.commandLine, into: memory)
    write(tables.bytes(), at: ACPITables.address, into: memory)
    let startInfo = StartInfo(
      commandLine: LinuxMemoryMap.commandLine, rootPointer: ACPITables.address, initrd: map.initrd, memory: map.ranges)
    write(startInfo.bytes(at: LinuxMemoryMap.startInfo), at: LinuxMemoryMap.startInfo, into: memory)
  }

  /// Returns whether the file had as much.
  private func read(
    _ file: borrowing FileDescriptor, at offset: Int, into target: UnsafeMutableRawBufferPointer
  ) throws(MachineError) -> Bool {
    do throws(SystemCallError) {
      return try file.read(into: target, at: offset) == target.count
    } catch {
      throw .system(error)
    }
  }

  /// - Parameter address: guest-physical; the bytes end below the kernel.
  private func write(_ bytes: [UInt8], at address: UInt64, into memory: borrowing MemoryMapping) {
    precondition(address + UInt64(bytes.count) <= LinuxMemoryMap.kernelStart)
    UnsafeMutableRawBufferPointer(start: memory.baseAddress + Int(address), count: bytes.count).copyBytes(from: bytes)
  }
}
