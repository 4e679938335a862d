import Glibc
import KVM

/// This process's open descriptors, by /proc/self/fd (proc(5)).
enum OpenFiles {
  static var count: Int {
    guard let folder = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    // Neither ".", nor "..", nor the folder itself.
    return count - 3
  }
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
