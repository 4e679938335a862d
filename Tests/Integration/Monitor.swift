/// The monitor under test.
struct Monitor: Sendable {
  let path: String
  let imageDirectory: String
  let watchdogSeconds: Int

  /// The path of an image by its name.
  func image(_ name: String) -> String { "\(imageDirectory)/\(name).elf" }

  /// Boots an image by its name and waits for its end.
  func run(_ image: String, _ arguments: [String] = [], options: [String] = []) throws(Verdict) -> Run {
    var process = try start(image, arguments, options: options)
    return try process.finish()
  }

  /// Boots an image by its name.
  func start(_ image: String, _ arguments: [String] = [], options: [String] = []) throws(Verdict) -> ChildProcess {
    try ChildProcess(
      [path, "run"] + options + [self.image(image)] + arguments, watchdogSeconds: watchdogSeconds)
  }

  /// Runs the monitor with these arguments.
  func command(_ arguments: [String]) throws(Verdict) -> Run {
    var process = try ChildProcess([path] + arguments, watchdogSeconds: watchdogSeconds)
    return try process.finish()
  }

  /// Runs the monitor with these arguments as a user without any rights.
  func unprivilegedCommand(_ arguments: [String]) throws(Verdict) -> Run {
    var process = try ChildProcess(Unprivileged.command([path] + arguments), watchdogSeconds: watchdogSeconds)
    return try process.finish()
  }
}
