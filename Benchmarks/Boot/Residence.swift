import BenchmarkSupport
import CLinux

/// What a sleeping machine keeps in memory, by whose pages they are: Rss of every mapping in /proc/PID/smaps.
struct Residence {
  /// The guest's memory, and its image's read-only pages.
  private(set) var guestBytes = 0
  /// The monitor's data, heap and stack.
  private(set) var monitorPrivateBytes = 0
  /// The monitor's code and constants, in the page cache, where all monitors share them.
  private(set) var monitorFileBytes = 0

  var monitorBytes: Int { monitorPrivateBytes + monitorFileBytes }

  /// Starts a run of an image that prints and then sleeps, and looks at it while it is held after its first output.
  init(of program: Program, image: String) throws(BenchmarkError) {
    let streams = try Streams(capturesOutput: true)
    guard let output = streams.output else { throw BenchmarkError("no pipe for the output") }
    let child = try program.start(streams)
    var status: Int32 = 0
    var first: UInt8 = 0
    guard read(output.readEnd, &first, 1) == 1 else { throw BenchmarkError(call: "read what \(program.name) prints") }
    kill(child, SIGSTOP)
    guard waitpid(child, &status, WUNTRACED) == child, status & 0xff == Self.stopped else {
      throw BenchmarkError("\(program.name) ended before it could be held")
    }
    defer {
      kill(child, SIGKILL)
      waitpid(child, &status, 0)
    }
    try add(smaps: contents(of: "/proc/\(child)/smaps"), image: image)
  }

  /// The low byte of a status that WIFSTOPPED is true of (wait(2)).
  private static let stopped: Int32 = 0x7f

  private mutating func add(smaps: [UInt8], image: String) throws(BenchmarkError) {
    var mapping = (name: "", isWritable: false, resident: 0)
    for line in smaps.split(separator: 0x0a) {
      let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
      guard words.count > 1 else { continue }
      if !words[0].hasSuffix(":") {
        // "7f1234000-7f1235000 rw-p 00000000 00:00 0 [heap]"
        mapping = (words.count > 5 ? words[5] : "", words[1].hasPrefix("rw"), 0)
      } else if words[0] == "Rss:" {
        guard let kilobytes = Int(words[1]) else { throw BenchmarkError("smaps has the Rss '\(words[1])'") }
        mapping.resident = kilobytes * 1024
      } else if words[0] == "VmFlags:" {
        // The last line of a mapping. "nr", no reserve, is what only the guest's memory is mapped with.
        if mapping.name.hasSuffix(image) || words.contains("nr") {
          guestBytes += mapping.resident
        } else if mapping.name.hasPrefix("/") && !mapping.isWritable {
          monitorFileBytes += mapping.resident
        } else {
          monitorPrivateBytes += mapping.resident
        }
      }
    }
    guard guestBytes > 0 else { throw BenchmarkError("no mapping in smaps is the guest's memory") }
  }

  private func contents(of path: String) throws(BenchmarkError) -> [UInt8] {
    let descriptor = linux_open(path, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    while true {
      let count = withUnsafeTemporaryAllocation(byteCount: 65536, alignment: 1) { buffer in
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<max(count, 0)]))
        return count
      }
      guard count >= 0 else { throw BenchmarkError(call: "read \(path)") }
      if count == 0 { return bytes }
    }
  }
}
