/// The monitor under test.
struct Monitor: Sendable {
  let path: String
  let imageDirectory: String
  let watchdogSeconds: Int

  /// The path of an image by its name.
  func image(_ name: String) -> String { "\(imageDirectory)/\(name).elf" }

  /// Boots an image by its name and waits for its end.
  func run(
    _ image: String, _ arguments: [String] = [], options: [String] = [], input: ChildProcess.Input = .nothing
  ) throws(Verdict) -> Run {
    var process = try start(image, arguments, options: options, input: input)
    return try process.finish()
  }

  /// Boots an image by its name.
  func start(
    _ image: String, _ arguments: [String] = [], options: [String] = [], input: ChildProcess.Input = .nothing
  ) throws(Verdict) -> ChildProcess {
    try ChildProcess(
      [path, "run"] + options + [self.image(image)] + arguments, input: input, watchdogSeconds: watchdogSeconds)
  }

  /// Boots an image by its name, on a terminal.
  func start(
    _ image: String, _ arguments: [String] = [], options: [String] = [], on terminal: borrowing Terminal
  ) throws(Verdict) -> ChildProcess {
    try ChildProcess(
      [path, "run"] + options + [self.image(image)] + arguments, input: .terminal(terminal.path),
      watchdogSeconds: watchdogSeconds)
  }

  /// Boots an image by its name as a job of a shell with job control, on a terminal.
  ///
  /// - Parameter script: what the shell does; `"$0" "$@"` is the monitor.
  func startJob(
    _ image: String, _ arguments: [String] = [], options: [String] = [], script: String, on terminal: borrowing Terminal
  ) throws(Verdict) -> ChildProcess {
    try ChildProcess(
      // The shell takes the terminal whose jobs it controls from standard error.
      ["/bin/bash", "-c", "exec 2<&0; set -m; " + script, path, "run"] + options + [self.image(image)] + arguments,
      input: .terminal(terminal.path),
      watchdogSeconds: watchdogSeconds)
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
