extension Run {
  /// What QEMU's isa-debug-exit makes of a guest's status: twice that, and one.
  @discardableResult
  func expect(exit status: Int32) throws(Verdict) -> Run { try expect(status: (2 * status + 1) & 0xff) }
}

extension Disk {
  /// QEMU's options that make it a virtio disk; on a bus of its own if it is to have a certain address.
  func asVirtioBlock(bus: Int? = nil) -> [String] {
    let place = bus.map { ",bus=virtio-mmio-bus.\($0)" } ?? ""
    return ["-drive", "file=\(path),if=none,id=disk,format=raw", "-device", "virtio-blk-device,drive=disk\(place)"]
  }
}

extension Session {
  /// Boots an image in QEMU's microvm and waits for its end; the parameters are those of `startMicroVM`.
  func microVM(
    _ image: String, _ words: String = "", exitPort: Bool = true, memory: String = "128M", serial: String = "stdio",
    machine: String = "acpi=off", isLegacy: Bool = false, devices: [String] = [], input: String = ""
  ) throws(Verdict) -> Run {
    let file = try Disk(Array(input.utf8))
    var process = try startMicroVM(
      image, words, exitPort: exitPort, memory: memory, serial: serial, machine: machine, isLegacy: isLegacy,
      devices: devices, input: input.isEmpty ? .nothing : .file(file.path))
    return try process.finish()
  }

  /// Boots an image in QEMU's microvm.
  ///
  /// - Parameters:
  ///   - words: the command line's, besides that which tells where the exit is.
  ///   - machine: an option of the machine.
  ///   - isLegacy: virtio-mmio as QEMU has it unless it is told otherwise.
  func startMicroVM(
    _ image: String, _ words: String = "", exitPort: Bool = true, memory: String = "128M", serial: String = "stdio",
    machine: String = "acpi=off", isLegacy: Bool = false, devices: [String] = [],
    input: ChildProcess.Input = .nothing
  ) throws(Verdict) -> ChildProcess {
    guard let emulator else { throw .skipped("no --qemu given") }
    var options = ["-M", machine == "acpi=off" ? "microvm,acpi=off" : "microvm,acpi=off,\(machine)"]
    options += ["-accel", "tcg", "-m", memory, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    options += ["-serial", serial]
    if exitPort { options += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"] }
    if !isLegacy { options += ["-global", "virtio-mmio.force-legacy=false"] }
    let line = (exitPort ? "needletail.exit=0xf4 " : "") + words
    return try ChildProcess(
      [emulator] + options + devices + ["-kernel", monitor.image(image), "-append", line], input: input,
      watchdogSeconds: lane.watchdogSeconds)
  }
}
