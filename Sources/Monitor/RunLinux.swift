import Machine

extension RunCommand {
  /// `needletail run` for a Linux kernel in place of an image.
  ///
  /// - Parameter report: where to write the report, if anywhere.
  func runLinux(report: Int32?, _ timeline: Timeline) throws(MachineError) -> ExitStatus {
    var timeline = timeline
    if let word = options.forImagesAlone {
      StandardError.write(
        "needletail: run: \(word) is for images; expected --cmdline and --initrd alone for a Linux kernel\n")
      return .monitorFailure
    }
    let kernel: LinuxKernel
    do throws(ImageError) {
      kernel = try LinuxKernel(opening: options.imagePath)
    } catch {
      throw .image(error)
    }
    timeline.mark(.openImage)
    var configuration = LinuxConfiguration(
      commandLine: options.kernelCommandLine ?? "", initrdPath: options.initrdPath, blockDevices: options.blockDevices,
      networks: options.networks, warn: { StandardError.write("needletail: \($0)\n") })
    if let memorySize = options.memorySize { configuration.memorySize = memorySize }
    StopSignals.handle()
    var machine = try LinuxMachine(configuration, kernel: kernel, timeline: &timeline)
    StopSignals.set(machine.stopFlag)
    defer { StopSignals.forgetFlag() }
    TerminalMode.enter()
    defer { TerminalMode.leave() }
    let outcome = try machine.run()

    let status = self.status(of: outcome)
    if let report {
      timeline.mark(.leaveGuest, at: machine.endTimeStamp)
      try write(
        RunReport(
          processStart: Self.processStart(at: timeline.start, khz: machine.timeStampCounterKHz), timeline: timeline,
          outcome: outcome, exitStatus: status.code, exits: machine.exits, devices: machine.deviceActivity,
          timeStampCounterKHz: machine.timeStampCounterKHz, imagePath: options.imagePath,
          memorySize: configuration.memorySize),
        to: report)
    }
    return status
  }
}
