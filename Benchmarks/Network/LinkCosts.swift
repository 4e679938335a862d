import BenchmarkSupport
import CLinux

/// What the guest's interface cost for each unit of work, by the monitor's report.
struct LinkCosts {
  private(set) var exits = Ratio(thousandths: 0)
  private(set) var interrupts = Ratio(thousandths: 0)
  /// Each is copied once between the kernel and the guest's memory.
  private(set) var receivedFrames = Ratio(thousandths: 0)
  private(set) var sentFrames = Ratio(thousandths: 0)

  init() {}

  init(report path: String, per units: Int) throws(BenchmarkError) {
    let numbers = try JSONNumbers(parsing: try contents(of: path))
    exits = Ratio(try numbers.value("exits.total"), to: units)
    interrupts = Ratio(try numbers.value("devices.net.interrupts"), to: units)
    receivedFrames = Ratio(try numbers.value("devices.net.received_frames"), to: units)
    sentFrames = Ratio(try numbers.value("devices.net.sent_frames"), to: units)
  }
}

/// All of a small file.
func contents(of path: String) throws(BenchmarkError) -> [UInt8] {
  let descriptor = linux_open(path, O_RDONLY | O_CLOEXEC, 0)
  guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 16384)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    guard count >= 0 else { throw BenchmarkError(call: "read \(path)") }
    guard count > 0 else { return bytes }
    bytes += buffer.prefix(count)
  }
}
