import CKVM
import CLinux
import KVM
import MachineABI
import Virtio

/// What a Linux machine is made from.
public struct LinuxConfiguration: Sendable {
  /// The kernel's command line, without the words that tell it of devices.
  public var commandLine: String
  /// The initial RAM disk's file, if there is one.
  public var initrdPath: String?
  /// The machine's memory in bytes: a multiple of the page size, up to 3 GiB.
  public var memorySize: UInt64
  /// Where the serial port's output goes. The descriptor stays the caller's.
  public var consoleDescriptor: Int32
  /// Where the serial port's input comes from. The descriptor stays the caller's.
  public var consoleInput: Int32
  /// The disks, in the order in which Linux finds them.
  public var blockDevices: [BlockAttachment]
  /// What the network interfaces lead to, in the order in which Linux finds them.
  public var networks: [NetworkAttachment]
  /// See `MachineConfiguration.warn`.
  public var warn: @Sendable (String) -> Void

  public init(
    commandLine: String = "", initrdPath: String? = nil, memorySize: UInt64 = 256 << 20, consoleDescriptor: Int32 = 1,
    consoleInput: Int32 = 0, blockDevices: [BlockAttachment] = [], networks: [NetworkAttachment] = [],
    warn: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.commandLine = commandLine
    self.initrdPath = initrdPath
    self.memorySize = memorySize
    self.consoleDescriptor = consoleDescriptor
    self.consoleInput = consoleInput
    self.blockDevices = blockDevices
    self.networks = networks
    self.warn = warn
  }
}

/// A virtual machine with a Linux kernel in it, ready to run once: the proof that the devices are what the specification
/// says, with drivers that somebody else wrote.
///
/// It is a PC as far as such a kernel needs one (`LinuxMemoryMap`, `LegacyPorts`) and has, besides disks and networks, an
/// entropy device. What `Machine` says of threads and of stopping holds here.
public struct LinuxMachine: ~Copyable {
  /// The most disks and networks: each has an interrupt line, and the entropy device has another.
  static let attachmentLimit = LinuxMemoryMap.deviceLines.count - 1
  /// What the entropy device is called in a report.
  private static let entropyName = "entropy"

  // The order matters: what is declared first is destroyed first, as in `Machine`.
  private let bus: DeviceBus
  private let console: SerialConsole
  private let vcpu: VCPU
  private let virtualMachine: VirtualMachine
  private let memory: MemoryMapping
  private let deviceSlot: Range<UInt64>
  /// Nil where nothing but the machine's own thread stops it.
  private let stopRequest: StopRequest?
  /// The frequency of the time-stamp counters, the guest's and the host's.
  public let timeStampCounterKHz: Int
  /// The host's time stamp when the guest had come back for the last time.
  public private(set) var endTimeStamp: UInt64 = 0
  /// Exits so far, by kind.
  public private(set) var exits = ExitCounts()

  /// Makes a machine. Nothing runs yet.
  ///
  /// - Parameter timeline: gets a mark after each phase.
  public init(
    _ configuration: LinuxConfiguration, kernel: borrowing LinuxKernel, timeline: inout Timeline
  ) throws(MachineError) {
    let declared = try Self.devices(configuration)
    let commandLine = try orLinuxError { () throws(LinuxError) in
      try LinuxCommandLine(configuration.commandLine, deviceCount: declared.count)
    }
    let initrd = try Self.openInitrd(configuration)
    let initrdSize: UInt64? =
      switch initrd {
      case .some(let file): file.size
      case .none: nil
      }
    let map = try orLinuxError { () throws(LinuxError) in
      try LinuxMemoryMap(
        memorySize: configuration.memorySize, kernel: kernel.contents, initrdSize: initrdSize)
    }
    let stopRequest = configuration.networks.contains { $0.isRequired } ? StopRequest() : nil
    let devices = try AttachedDevices(
      declared,
      AttachedDevices.Attachments(
        blockDevices: configuration.blockDevices, networks: configuration.networks, warn: configuration.warn,
        requiredNetworkWasLost: { [stopRequest] in stopRequest?.make() }))

    let system = try orMachineError { () throws(SystemCallError) in try KVMSystem() }
    timeline.mark(.openKVM)
    let virtualMachine = try orMachineError { () throws(SystemCallError) in try system.createVirtualMachine() }
    timeline.mark(.createVirtualMachine)
    let memory = try orMachineError { () throws(SystemCallError) in
      try MemoryMapping(anonymous: Int(map.memorySize), at: 0)
    }
    memory.preferHugePages(from: 0)
    try LinuxLoader(map: map, tables: ACPITables(deviceCount: declared.count))
      .load(kernel, initrd, commandLine, into: memory)
    timeline.mark(.loadImage)
    let deviceSlot = LinuxMemoryMap.deviceSlot(count: declared.count)
    let registers = try orMachineError { () throws(SystemCallError) in
      let registers = try MemoryMapping(anonymous: deviceSlot.count)
      try virtualMachine.setMemorySlot(
        MemorySlot(
          number: 0, guestAddress: 0, hostAddress: memory.baseAddress, byteCount: memory.byteCount, isReadOnly: false))
      try virtualMachine.setMemorySlot(
        MemorySlot(
          number: 1, guestAddress: deviceSlot.lowerBound, hostAddress: registers.baseAddress,
          byteCount: deviceSlot.count, isReadOnly: true))
      return registers
    }
    timeline.mark(.memorySlot)
    let vcpu = try orMachineError { () throws(SystemCallError) in
      try virtualMachine.createPCInterruptControllers(taskStateAddress: LinuxMemoryMap.taskState)
      return try virtualMachine.createVCPU(number: 0, mappingSize: try system.vcpuMappingSize())
    }
    timeline.mark(.createVCPU)
    timeStampCounterKHz = try orMachineError { () throws(SystemCallError) in
      let features = LinuxProcessorFeatures(
        try system.supportedCPUID(), hasDeadlineTimer: try system.capability(KVM_CAP_TSC_DEADLINE_TIMER) != 0)
      try vcpu.setCPUID(features.leaves)
      try PVHRegisters(entry: kernel.contents.entry, startInfo: LinuxMemoryMap.startInfo).load(into: vcpu)
      return try vcpu.timeStampCounterFrequency()
    }
    timeline.mark(.registers)

    let lines = LinuxMemoryMap.deviceLines.map { virtualMachine.interruptLine($0) }
    console = SerialConsole(
      input: configuration.consoleInput, output: configuration.consoleDescriptor, loop: devices.loop,
      interrupt: virtualMachine.interruptLine(LegacyPorts.serialLine), stopFlag: vcpu.immediateExitFlag)
    bus = devices.makeBus(
      registers: registers,
      // An ordinary kernel gives devices whatever memory it likes.
      memory: GuestRegions([
        GuestRegion(range: 0..<map.memorySize, host: memory.baseAddress, isWritable: true)
      ]),
      // The PICs take edges, and each keeps one until the driver is ready for it; InterruptStatus collects the reasons.
      interrupt: { index in
        let line = lines[index]
        return { try? line.pulse() }
      },
      writeEvents: virtualMachine.writeEvents, stopFlag: vcpu.immediateExitFlag)
    self.stopRequest = stopRequest
    self.vcpu = vcpu
    self.virtualMachine = virtualMachine
    self.memory = memory
    self.deviceSlot = deviceSlot
  }

  /// The disks, the networks, and the entropy device behind them.
  private static func devices(_ configuration: LinuxConfiguration) throws(MachineError) -> [DeclaredDevice] {
    let attached =
      configuration.blockDevices.map { DeclaredDevice(kind: .block, name: $0.name) }
      + configuration.networks.map { DeclaredDevice(kind: .network, name: $0.name) }
    guard attached.count <= attachmentLimit else { throw .linux(.deviceCount(attached.count)) }
    for (index, device) in attached.enumerated() {
      guard DeviceDeclaration(kind: device.kind.virtioID, name: Array(device.name.utf8)) != nil else {
        throw .linux(.deviceName(device, reason: "a name of \(DeviceDeclaration.nameRule)"))
      }
      guard device.name != entropyName else {
        throw .linux(.deviceName(device, reason: "another name, as the entropy device has this one"))
      }
      guard !attached[..<index].contains(where: { $0.name == device.name }) else {
        throw .linux(.deviceName(device, reason: "another name, as a block device has this one"))
      }
    }
    return attached + [DeclaredDevice(kind: .entropy, name: entropyName)]
  }

  private static func openInitrd(_ configuration: LinuxConfiguration) throws(MachineError) -> ImageFile? {
    guard let path = configuration.initrdPath else { return nil }
    do throws(ImageError) {
      return try ImageFile(opening: path)
    } catch {
      throw .linux(.initrd(path: path, reason: error.reason))
    }
  }

  // MARK: Running

  /// See `Machine.stopFlag`.
  public var stopFlag: UnsafeMutablePointer<UInt8> { vcpu.immediateExitFlag }

  /// Runs the guest to its end: a reset, by the keyboard controller or a triple fault, and being
  /// turned off are exits with status 0.
  public mutating func run() throws(MachineError) -> MachineOutcome {
    // However it ends: nothing may touch the memory, or the machine's lines, any more.
    defer {
      console.end()
      bus.end()
    }
    stopRequest?.serve(settingFlag: stopFlag)
    let outcome: MachineOutcome
    do throws(SystemCallError) {
      outcome = try runToEnd()
    } catch {
      _ = stopRequest?.release()
      throw .system(error)
    }
    return stopRequest?.release() == true && outcome == .stopped ? .requiredNetworkLost : outcome
  }

  private mutating func runToEnd() throws(SystemCallError) -> MachineOutcome {
    let ports = LegacyPorts(console: console)
    while true {
      let exit = try vcpu.run()
      exits.count(exit)
      endTimeStamp = linux_read_tsc()
      switch exit {
      case .port(let access):
        if ports.serve(access, data: vcpu.portData) == .end { return .exited(0) }
        if let ending = try MachineOutcome.ending(console.delivery) { return ending }
      case .mmioWrite(let access):
        // Elsewhere there is nothing to write to.
        if deviceSlot.contains(access.address) {
          bus.write(access, offset: access.address - deviceSlot.lowerBound, posted: nil)
        }
      case .mmioRead: vcpu.answerMMIORead(.max)
      case .interrupted:
        if stopFlag.pointee != 0 { return .stopped }
      case .shutdown: return .exited(0)
      case .memoryFault: throw SystemCallError("KVM_RUN", code: EFAULT)
      case .internalError: return .unexpectedExit(UInt32(KVM_EXIT_INTERNAL_ERROR))
      case .entryFailed: return .unexpectedExit(UInt32(KVM_EXIT_FAIL_ENTRY))
      case .other(let reason): return .unexpectedExit(reason)
      }
    }
  }

  /// What each device did so far: the disks, the networks, then the entropy device.
  public var deviceActivity: [DeviceActivity] { bus.activity }
}

/// Runs `body`, turning what is wrong with a Linux machine into a `MachineError`.
private func orLinuxError<Result>(_ body: () throws(LinuxError) -> Result) throws(MachineError) -> Result {
  do throws(LinuxError) {
    return try body()
  } catch {
    throw .linux(error)
  }
}
