import CLinux
import KVM
import Machine

/// `needletail run`.
struct RunCommand {
  let options: RunOptions
  var timeline: Timeline

  func execute() -> ExitStatus {
    do throws(MachineError) {
      return try run()
    } catch {
      // What a signal has interrupted is no failure.
      guard StopSignals.received == 0 else { return .stopped(by: StopSignals.received) }
      StandardError.write("needletail: \(error.description)\n")
      if case .image(let error) = error {
        return error.kind == .notFound ? .imageNotFound : .imageNotAcceptable
      }
      return .monitorFailure
    }
  }

  private func run() throws(MachineError) -> ExitStatus {
    var timeline = timeline
    // Before anything is run, so that a path that cannot be written costs nobody a finished run.
    let report = try openReport()
    timeline.mark(.options)
    if options.isForLinux { return try runLinux(report: report, timeline) }
    let image: Image
    do throws(ImageError) {
      image = try Image(opening: options.imagePath)
    } catch {
      // Only a file that is no image is looked at a second time.
      guard error.kind == .notAcceptable, LinuxKernel.isMeant(by: options.imagePath) else { throw .image(error) }
      return try runLinux(report: report, timeline)
    }
    timeline.mark(.openImage)
    var configuration = MachineConfiguration(
      arguments: options.arguments, randomizesAddresses: options.randomizesAddresses,
      blockDevices: options.blockDevices, networks: options.networks,
      warn: { StandardError.write("needletail: \($0)\n") })
    if let memorySize = options.memorySize { configuration.memorySize = memorySize }
    StopSignals.handle()
    var machine = try Machine(configuration, image: image, timeline: &timeline)
    StopSignals.set(machine.stopFlag)
    defer { StopSignals.forgetFlag() }
    if image.devices.contains(where: { $0.kind == .console }) { TerminalMode.enter() }
    defer { TerminalMode.leave() }
    let outcome = try machine.run()
    // Ahead of any report: it is made by a child of ours, whose end must not be taken for our own.
    TerminalMode.leave()

    let status = self.status(of: outcome)
    if case .panicked(let panic) = outcome {
      StandardError.write("needletail: \(PanicReport.text(panic, machine, image: image))")
    }
    if let report {
      let marks = machine.milestones()
      timeline.mark(.enterGuest, at: marks[0])
      timeline.mark(.guestStart, at: marks[1])
      timeline.mark(.guestMain, at: marks[2])
      timeline.mark(.leaveGuest, at: machine.endTimeStamp)
      try write(
        RunReport(
          processStart: Self.processStart(at: timeline.start, khz: machine.timeStampCounterKHz), timeline: timeline,
          outcome: outcome, exitStatus: status.code, exits: machine.exits,
          devices: machine.deviceActivity,
          timeStampCounterKHz: machine.timeStampCounterKHz, imagePath: options.imagePath,
          memorySize: configuration.memorySize),
        to: report)
    }
    // The machine is closed on the way out rather than left to the end of the process: that is some 40 µs faster, because
    // the kernel would else do it in a thread of its own for which the process has to wait.
    return status
  }

  /// The exit status that tells of an outcome, and a line if there is something else to be told.
  func status(of outcome: MachineOutcome) -> ExitStatus {
    if case .unexpectedExit(let reason) = outcome {
      StandardError.write("needletail: KVM_RUN: unexpected exit reason \(reason)\n")
    }
    return switch outcome {
    case .exited(let code): ExitStatus(code: Int32(code))
    case .panicked: .guestPanic
    case .stopped: .stopped(by: StopSignals.received)
    case .consoleClosed: .consoleClosed
    case .unexpectedExit, .requiredNetworkLost: .monitorFailure
    }
  }

  // MARK: The report

  private func openReport() throws(MachineError) -> Int32? {
    guard let path = options.reportPath else { return nil }
    if path == "-" { return STDERR_FILENO }
    let descriptor = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw .system(SystemCallError("open", path: path)) }
    return descriptor
  }

  func write(_ report: RunReport, to descriptor: Int32) throws(MachineError) {
    var json = report.json()
    let error: SystemCallError? = json.withUTF8 { bytes in
      do throws(SystemCallError) {
        try FileDescriptor.writeAll(UnsafeRawBufferPointer(bytes), to: descriptor)
        return nil
      } catch {
        return SystemCallError("write", path: options.reportPath, code: error.code)
      }
    }
    if let error { throw .system(error) }
  }

  /// How long it took from the spawning process's call to main, if the environment says when that was.
  static func processStart(at start: UInt64, khz: Int) -> UInt64? {
    guard let text = getenv("NEEDLETAIL_SPAWN_NS"), let spawned = UInt64(String(cString: text)) else { return nil }
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let sinceStart = (linux_read_tsc() - start) / UInt64(max(khz / 1000, 1)) * 1000
    let nowNanoseconds = UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    let main = nowNanoseconds - min(sinceStart, nowNanoseconds)
    return main >= spawned ? main - spawned : nil
  }
}
