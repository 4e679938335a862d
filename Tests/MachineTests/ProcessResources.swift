import Glibc
import KVM

/// This process's open descriptors, by /proc/self/fd (proc(5)), without those that other threads of a test process come and
/// go with: libdispatch's event loop, files of /proc, and what was closed while we looked.
enum OpenFiles {
  /// What each descriptor is open on.
  static var names: [Int32: String] {
    guard let folder = opendir("/proc/self/fd") else { return [:] }
    defer { closedir(folder) }
    var names: [Int32: String] = [:]
    while let entry = readdir(folder) {
      let number = withUnsafeBytes(of: entry.pointee.d_name) {
        Int32(String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self))
      }
      guard let number, number != dirfd(folder) else { continue }
      var target = [UInt8](repeating: 0, count: 256)
      let length = target.withUnsafeMutableBytes {
        readlink("/proc/self/fd/\(number)", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
      }
      let name = String(decoding: target[..<max(length, 0)], as: UTF8.self)
      if !name.isEmpty, !name.hasPrefix("/proc/"), !eventLoop.contains(name) { names[number] = name }
    }
    return names
  }

  static var count: Int { names.count }

  private static let eventLoop = ["anon_inode:[eventpoll]", "anon_inode:[eventfd]", "anon_inode:[timerfd]"]
}

/// This process's mappings, by /proc/self/maps.
enum Mappings {
  static var count: Int {
    guard let file = try? FileDescriptor(opening: "/proc/self/maps", flags: O_RDONLY) else { return -1 }
    var count = 0
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let length = read(file.rawValue, &buffer, buffer.count)
      guard length > 0 else { return count }
      count += buffer[..<length].count { $0 == 0x0a }
    }
  }
}
