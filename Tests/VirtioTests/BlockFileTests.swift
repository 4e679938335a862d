import CLinux
import Glibc
import KVM
import Testing

@testable import Virtio

@Suite struct BlockFileTests {
  private func message(_ path: String, isReadOnly: Bool = false) -> String? {
    do throws(BlockFileError) { _ = try BlockFile(opening: path, isReadOnly: isReadOnly) } catch {
      return error.description
    }
    return nil
  }

  @Test func opensWhatIsADisk() throws {
    let disk = try DiskFile(sectors: 3)
    let file = try BlockFile(opening: disk.path, isReadOnly: true)
    let (size, isReadOnly, blockSize) = (file.size, file.isReadOnly, file.blockSize)
    #expect(size == 1536)
    #expect(isReadOnly)
    #expect(blockSize == 512)
    let flags = fcntl(file.descriptor.rawValue, F_GETFD)
    #expect(flags & FD_CLOEXEC != 0)
  }

  @Test func refusesWhatIsNone() throws {
    let ragged = try DiskFile([UInt8](repeating: 0, count: 1000))
    #expect(message(ragged.path) == "\(ragged.path): size is 1000 bytes; expected a multiple of 512, and not 0")
    let empty = try DiskFile([])
    #expect(message(empty.path) == "\(empty.path): size is 0 bytes; expected a multiple of 512, and not 0")
    #expect(message("/tmp") == "/tmp: is neither a regular file nor a block device")
    #expect(message("/dev/zero") == "/dev/zero: is neither a regular file nor a block device")
    #expect(message("/nonexistent") == "stat /nonexistent: No such file or directory")
  }

  @Test func oneWriterOrManyReaders() throws {
    let disk = try DiskFile(sectors: 1)
    do {
      let writer = try BlockFile(opening: disk.path, isReadOnly: false)
      #expect(message(disk.path) == "\(disk.path): in use; expected nobody else for it to be written")
      #expect(
        message(disk.path, isReadOnly: true)
          == "\(disk.path): in use by a writer; expected readers only for it to be read")
      _ = consume writer
    }
    do {
      let reader = try BlockFile(opening: disk.path, isReadOnly: true)
      #expect(message(disk.path, isReadOnly: true) == nil)
      #expect(message(disk.path) != nil)
      // Closing the second opening left the first one's lock, which a lock of the process's would not survive.
      #expect(message(disk.path) != nil)
      _ = consume reader
    }
    #expect(message(disk.path) == nil)
  }
}
