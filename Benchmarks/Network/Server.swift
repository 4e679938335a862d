import BenchmarkSupport
import CLinux

/// A program that serves while others measure.
final class Server {
  let identifier: pid_t
  private let name: String
  private let streams: Streams
  private var isReaped = false

  /// Starts it.
  init(_ name: String, _ command: [String]) throws(BenchmarkError) {
    self.name = name
    streams = try Streams(capturesOutput: true)
    identifier = try Program(name, command).start(streams)
  }

  /// Starts it, and waits until it has printed `text`.
  convenience init(_ name: String, _ command: [String], until text: String) throws(BenchmarkError) {
    try self.init(name, command)
    var output: [UInt8] = []
    while !Self.contains(output, Array(text.utf8)) {
      guard let pipe = streams.output else { throw BenchmarkError("no pipe for the output") }
      var polled = pollfd(fd: pipe.readEnd, events: Int16(POLLIN), revents: 0)
      guard poll(&polled, 1, 20_000) == 1 else { throw failure("did not say '\(text)'", output) }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(pipe.readEnd, &bytes, bytes.count)
      guard count > 0 else { throw failure("did not say '\(text)'", output) }
      output += bytes.prefix(count)
    }
  }

  deinit {
    stop()
  }

  /// Ends it from outside.
  func stop() {
    guard !isReaped else { return }
    isReaped = true
    kill(identifier, SIGKILL)
    var status: Int32 = 0
    waitpid(identifier, &status, 0)
  }

  /// Waits for its end.
  func finish() throws(BenchmarkError) {
    var status: Int32 = 0
    guard waitpid(identifier, &status, 0) == identifier else { throw BenchmarkError(call: "waitpid") }
    isReaped = true
    guard Run.exitStatus(status) == 0 else { throw ended(status) }
  }

  /// Throws if it has ended, which it should not.
  func check() throws(BenchmarkError) {
    var status: Int32 = 0
    guard !isReaped, waitpid(identifier, &status, WNOHANG) == identifier else { return }
    isReaped = true
    throw ended(status)
  }

  private func ended(_ status: Int32) -> BenchmarkError {
    BenchmarkError(
      "\(name) ended with \(Run.exitStatus(status)): " + String(decoding: streams.takeErrors(), as: UTF8.self))
  }

  /// What is wrong, with what it said.
  func failure(_ what: String, _ output: [UInt8] = []) -> BenchmarkError {
    BenchmarkError("\(name) \(what), but said: " + String(decoding: output + streams.takeErrors(), as: UTF8.self))
  }

  private static func contains(_ bytes: [UInt8], _ pattern: [UInt8]) -> Bool {
    bytes.count >= pattern.count
      && (0...bytes.count - pattern.count).contains { bytes[$0..<$0 + pattern.count].elementsEqual(pattern) }
  }
}
