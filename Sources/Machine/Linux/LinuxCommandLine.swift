import MachineABI

/// A kernel's command line: what the user gave; and, if that turns ACPI off, the words by which Linux's virtio-mmio driver
/// then learns of devices (Linux, drivers/virtio/virtio_mmio.c, "Devices via command line"). Not every kernel is built to
/// look at those (Debian's are not), and one that does would find the devices a second time.
struct LinuxCommandLine: Equatable {
  /// The most bytes that Linux looks at, without the terminator (COMMAND_LINE_SIZE, arch/x86/include/asm/setup.h).
  static let limit = 2047

  let text: String

  /// - Parameter deviceCount: up to as many as there are `LinuxMemoryMap.deviceLines`.
  init(_ given: String, deviceCount: Int) throws(LinuxError) {
    let words = Self.words(of: given[...])
    // Behind "--" words are for the first process.
    let forKernel = words.prefix { $0 != "--" }
    var devices = ""
    if forKernel.contains("acpi=off") {
      for index in 0..<deviceCount {
        let address = LinuxMemoryMap.registers(ofDevice: index)
        devices += " virtio_mmio.device=\(pageSize >> 10)K@\(address.hexadecimal):\(LinuxMemoryMap.deviceLines[index])"
      }
    }
    let size = given.utf8.count + devices.utf8.count
    guard size <= Self.limit else { throw .commandLineTooLong(size, ofDevices: devices.utf8.count) }
    let end = forKernel.last?.endIndex ?? given.startIndex
    text = given[..<end] + devices + given[end...]
  }

  /// Words stand between spaces that are not quoted (Linux, lib/cmdline.c, `next_arg`).
  private static func words(of text: Substring) -> [Substring] {
    var words: [Substring] = []
    var isQuoted = false
    var start = text.startIndex
    for index in text.utf8.indices {
      let byte = text.utf8[index]
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == UInt8(ascii: " "), !isQuoted else { continue }
      if start < index { words.append(text[start..<index]) }
      start = text.utf8.index(after: index)
    }
    if start < text.endIndex { words.append(text[start...]) }
    return words
  }
}
