import MachineABI

/// A kernel's command line: what the user gave, and the words by which Linux's virtio-mmio driver learns of devices
/// (Linux, drivers/virtio/virtio_mmio.c, "Devices via command line").
struct LinuxCommandLine: Equatable {
  /// The most bytes that Linux looks at, without the terminator (COMMAND_LINE_SIZE, arch/x86/include/asm/setup.h).
  static let limit = 2047

  let text: String

  /// - Parameter deviceCount: up to as many as there are `LinuxMemoryMap.deviceLines`.
  init(_ given: String, deviceCount: Int) throws(LinuxError) {
    var words = ""
    for index in 0..<deviceCount {
      let address = LinuxMemoryMap.deviceRegisters + UInt64(index * pageSize)
      words += " virtio_mmio.device=\(pageSize >> 10)K@\(address.hexadecimal):\(LinuxMemoryMap.deviceLines[index])"
    }
    // Behind "--" words are for the first process, so those of the devices come before.
    var before = given[...], behind = given[given.endIndex...]
    if let separator = Self.separator(in: given) {
      before = given[..<separator]
      behind = given[separator...]
    }
    let size = given.utf8.count + words.utf8.count
    guard size <= Self.limit else { throw .commandLineTooLong(size, ofDevices: words.utf8.count) }
    text = before + words + behind
  }

  /// Where the part for the first process begins, with the space before it: at a "--" that is a word and not quoted
  /// (Linux, kernel/params.c, `parse_args`).
  private static func separator(in text: String) -> String.Index? {
    let bytes = text.utf8
    var isQuoted = false
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index] == UInt8(ascii: "\"") { isQuoted.toggle() }
      if !isQuoted, bytes[index] == UInt8(ascii: " ") {
        let word = bytes[bytes.index(after: index)...].prefix { $0 != UInt8(ascii: " ") }
        if word.elementsEqual("--".utf8) { return index }
      }
      index = bytes.index(after: index)
    }
    return nil
  }
}
