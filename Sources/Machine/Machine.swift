import CKVM
import CLinux
import KVM
import MachineABI
import Virtio

/// What a machine is made from.
public struct MachineConfiguration: Sendable {
  /// The guest's arguments, the image's name first.
  public var arguments: [String]
  /// The machine's writable memory in bytes: a multiple of the page size, from 2 MiB to 16 GiB.
  public var memorySize: UInt64
  /// Whether image and memory go to random addresses.
  public var randomizesAddresses: Bool
  /// Where the guest's output goes. The descriptor stays the caller's.
  public var consoleDescriptor: Int32
  /// Where a console device's input comes from. The descriptor stays the caller's.
  public var consoleInput: Int32
  /// The block devices, by the names that the image declares.
  public var blockDevices: [BlockAttachment]
  /// What the network interfaces lead to, by the names that the image declares.
  public var networks: [NetworkAttachment]
  /// Takes a line for the user about something that goes wrong while the machine runs, such as a network that goes away. Called
  /// on any thread.
  public var warn: @Sendable (String) -> Void

  /// The sizes that `memorySize` may have, in bytes, both ends included.
  public static let memorySizes = MachineLayout.smallestMemory...MachineLayout.largestMemory

  /// All but the arguments as the monitor has it if its user says nothing. Sizes are checked when a machine is made.
  public init(
    arguments: [String], memorySize: UInt64 = 64 << 20, randomizesAddresses: Bool = true, consoleDescriptor: Int32 = 1,
    consoleInput: Int32 = 0, blockDevices: [BlockAttachment] = [], networks: [NetworkAttachment] = [],
    warn: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.arguments = arguments
    self.memorySize = memorySize
    self.randomizesAddresses = randomizesAddresses
    self.consoleDescriptor = consoleDescriptor
    self.consoleInput = consoleInput
    self.blockDevices = blockDevices
    self.networks = networks
    self.warn = warn
  }
}

/// A virtual machine with an image in it, ready to run once.
///
/// Use it on one thread. To stop it from a signal handler, let the handler set `stopFlag`; to stop it from another thread,
/// set the flag and send the machine's thread a signal that it handles.
public struct Machine: ~Copyable {
  /// The most that the arguments may take, in bytes with their terminators: they are in the guest's memory.
  public static let argumentLimit = 64 << 10

  // The order matters: what is declared first is destroyed first. Devices must have let go of the memory, and so should the
  // kernel, before it is unmapped.
  private let bus: DeviceBus?
  private let vcpu: VCPU
  private let virtualMachine: VirtualMachine
  private let memory: GuestMemory
  private let layout: MachineLayout
  private var console: ConsoleOutput
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
  /// - Parameters:
  ///   - image: stays the caller's; backtraces need it later.
  ///   - timeline: gets a mark after each phase.
  public init(
    _ configuration: MachineConfiguration, image: borrowing Image, timeline: inout Timeline
  ) throws(MachineError) {
    let argumentsSize = configuration.arguments.reduce(0) { $0 + $1.utf8.count + 1 }
    guard argumentsSize <= Self.argumentLimit else { throw .argumentsTooLong(argumentsSize) }
    guard configuration.memorySize >= image.note.minimum_memory else {
      throw .memoryTooSmall(asked: configuration.memorySize, needed: image.note.minimum_memory)
    }
    let stopRequest = configuration.networks.contains { $0.isRequired } ? StopRequest() : nil
    let devices = try AttachedDevices(
      image.devices,
      AttachedDevices.Attachments(
        blockDevices: configuration.blockDevices, networks: configuration.networks,
        consoleInput: configuration.consoleInput, consoleOutput: configuration.consoleDescriptor,
        warn: configuration.warn, requiredNetworkWasLost: { [stopRequest] in stopRequest?.make() }))
    let entropy = try orMachineError { () throws(SystemCallError) in try BootEntropy() }
    let layout = try MachineLayout(Self.demands(configuration, image, entropy))
    let placement = ImagePlacement(image, layout)

    // Each step throws before the next handle is made, so that whatever was made is closed again.
    let system = try orMachineError { () throws(SystemCallError) in try KVMSystem() }
    timeline.mark(.openKVM)
    let virtualMachine = try orMachineError { () throws(SystemCallError) in try system.createVirtualMachine() }
    timeline.mark(.createVirtualMachine)
    // Mapped and filled before KVM knows of it: every later change of a mapping would have to be undone in the guest's.
    let memory = try orMachineError { () throws(SystemCallError) in
      try GuestMemory(
        layout, isForDirectAccess: configuration.blockDevices.contains { $0.isDirect },
        hasNetwork: !configuration.networks.isEmpty)
    }
    try placement.load(image, into: memory)
    placement.loadThreadLocals(image, into: memory)
    timeline.mark(.loadImage)
    try orMachineError { () throws(SystemCallError) in
      try virtualMachine.setMemorySlot(
        MemorySlot(
          number: 0, guestAddress: layout.slot.lowerBound, hostAddress: memory.slotMemory(),
          byteCount: layout.slot.count, isReadOnly: false))
    }
    let registers = try orMachineError { () throws(SystemCallError) in
      try Self.mapRegisters(layout, virtualMachine)
    }
    timeline.mark(.memorySlot)
    let vcpu = try orMachineError { () throws(SystemCallError) in
      try virtualMachine.createSplitInterruptController()
      return try virtualMachine.createVCPU(number: 0, mappingSize: try system.vcpuMappingSize())
    }
    timeline.mark(.createVCPU)

    Self.writeTables(image, to: memory, layout, placement)
    let khz = try orMachineError { () throws(SystemCallError) in
      try Self.writeBootInfo(
        configuration.arguments, devices.entries(registers: layout.deviceRegisters), entropy, to: memory, layout,
        virtualMachine, vcpu)
    }
    timeline.mark(.bootPages)
    try orMachineError { () throws(SystemCallError) in
      try BootRegisters(layout: layout, entry: image.entry &+ layout.imageBias, features: ProcessorFeatures())
        .load(into: vcpu)
    }
    timeline.mark(.registers)

    if let registers {
      let sender = virtualMachine.messageSender
      bus = devices.makeBus(
        registers: registers, memory: placement.deviceRegions(image, in: memory),
        // It fails only for a machine without a local APIC; a guest that misses an interrupt hurts itself alone.
        interrupt: { index in
          let vector = DeviceBus.vector(index)
          return { try? sender.send(vector: vector) }
        },
        writeEvents: virtualMachine.writeEvents, stopFlag: vcpu.immediateExitFlag)
    } else {
      bus = nil
    }
    self.stopRequest = stopRequest
    self.vcpu = vcpu
    self.virtualMachine = virtualMachine
    self.memory = memory
    self.layout = layout
    timeStampCounterKHz = khz
    console = ConsoleOutput(descriptor: configuration.consoleDescriptor)
  }

  private static func demands(
    _ configuration: MachineConfiguration, _ image: borrowing Image, _ entropy: BootEntropy
  ) -> MachineLayout.Demands {
    MachineLayout.Demands(
      linkBase: image.base, imageSize: image.size, imageWritableSize: ImagePlacement.writableSize(image),
      isPositionIndependent: image.isPositionIndependent, stackSize: image.note.stack_size,
      threadLocalsSize: image.threadLocals?.memorySize ?? 0,
      threadLocalsAlignment: image.threadLocals?.alignment ?? 1, deviceCount: image.devices.count,
      bootInfoSize: UInt64(
        BootFacts.size(arguments: configuration.arguments, deviceCount: image.devices.count)),
      memorySize: configuration.memorySize,
      placement: configuration.randomizesAddresses ? entropy.placement : nil)
  }

  /// The devices' register pages, which the guest reads as memory while its writes come to the monitor; nil without devices.
  private static func mapRegisters(
    _ layout: MachineLayout, _ virtualMachine: borrowing VirtualMachine
  ) throws(SystemCallError) -> MemoryMapping? {
    guard !layout.deviceSlot.isEmpty else { return nil }
    let registers = try MemoryMapping(anonymous: layout.deviceSlot.count)
    try virtualMachine.setMemorySlot(
      MemorySlot(
        number: 1, guestAddress: layout.deviceSlot.lowerBound, hostAddress: registers.baseAddress,
        byteCount: layout.deviceSlot.count, isReadOnly: true))
    return registers
  }

  static func writeTables(
    _ image: borrowing Image, to memory: borrowing GuestMemory, _ layout: MachineLayout, _ placement: ImagePlacement
  ) {
    var tables = PageTableBuilder(
      tables: memory.host(layout.pageTables, count: layout.pageTableCount * pageSize)!,
      guestAddress: layout.pageTables, capacity: layout.pageTableCount)
    placement.map(image, in: &tables)
    tables.map(layout.deviceRegisters..<layout.controlPage + UInt64(pageSize), .init(isWritable: true))
    tables.map(layout.stackBase..<layout.bootInfo, .init(isWritable: true))
    tables.map(layout.bootInfo..<layout.systemPage, .init())
    tables.map(layout.systemPage..<layout.pageTables, .init(isWritable: true, isSupervisor: true))
    tables.map(layout.heap..<layout.memoryEnd, .init(isWritable: true), usesLargePages: true)

    DescriptorTables(address: layout.systemPage).write(
      to: memory.host(layout.systemPage, count: pageSize)!, trapTable: layout.imageBase + image.note.trap_table)
  }

  /// Returns the time-stamp counter's frequency in kHz.
  private static func writeBootInfo(
    _ arguments: [String], _ devices: [DeviceEntry], _ entropy: BootEntropy, to memory: borrowing GuestMemory,
    _ layout: MachineLayout,
    _ virtualMachine: borrowing VirtualMachine, _ vcpu: borrowing VCPU
  ) throws(SystemCallError) -> Int {
    let khz = try vcpu.timeStampCounterFrequency()
    let clockPage = layout.bootInfo + UInt64(BootFacts.clockOffset)
    let clock: ClockReading
    if try vcpu.setMSR(Self.systemTimeMSR, to: clockPage | Self.systemTimeEnabled) {
      clock = try virtualMachine.clock()
    } else {
      FallbackClock.write(
        to: memory.host(clockPage, count: MemoryLayout<ClockPage>.size)!, khz: khz,
        timeStamp: linux_read_tsc() &+ (vcpu.timeStampCounterOffset() ?? 0))
      clock = try virtualMachine.clock().startingNow
    }
    BootFacts(
      arguments: arguments, devices: devices, timeStampCounterKHz: khz, wallClock: clock.wallClock &- clock.nanoseconds,
      entropy: entropy
    ).write(to: memory, layout)
    return khz
  }

  // KVM's x86 MSR documentation, MSR_KVM_SYSTEM_TIME_NEW.
  private static let systemTimeMSR: UInt32 = 0x4b56_4d01
  private static let systemTimeEnabled: UInt64 = 1

  // MARK: Running

  /// Set to anything but 0, this byte stops the machine: at once if a signal interrupts it, or before it is entered again.
  /// It stays valid as long as this value lives.
  public var stopFlag: UnsafeMutablePointer<UInt8> { vcpu.immediateExitFlag }

  /// The guest's page for the monitor. Invariant: mapped as long as this value lives.
  private var sharedPage: UnsafeMutablePointer<SharedPage> {
    memory.host(layout.sharedPage, count: Int(NEEDLETAIL_SHARED_PAGE_SIZE))!.assumingMemoryBound(to: SharedPage.self)
  }

  /// Runs the guest to its end, whichever that is. What it printed has been written when this returns.
  public mutating func run() throws(MachineError) -> MachineOutcome {
    // However it ends: devices must have let go of the memory before it is unmapped.
    defer { bus?.end() }
    stopRequest?.serve(settingFlag: stopFlag)
    let outcome: MachineOutcome
    do throws(MachineError) {
      outcome = try runToDelivery()
    } catch {
      _ = stopRequest?.release()
      throw error
    }
    return stopRequest?.release() == true && outcome == .stopped ? .requiredNetworkLost : outcome
  }

  /// Runs the guest to its end, and writes out what it printed.
  private mutating func runToDelivery() throws(MachineError) -> MachineOutcome {
    do throws(SystemCallError) {
      let outcome = try runToEnd()
      if let bus {
        bus.drainConsole()
        if case .exited = outcome, let ending = try MachineOutcome.ending(bus.consoleDelivery) { return ending }
      }
      switch (outcome, try console.drain(sharedPage, stopFlag: stopFlag)) {
      case (.exited, .closed): return .consoleClosed
      case (.exited, .stopped): return .stopped
      // Why a machine ended otherwise is worth more than what became of its last output.
      default: return outcome
      }
    } catch {
      throw .system(error)
    }
  }

  private mutating func runToEnd() throws(SystemCallError) -> MachineOutcome {
    let collector = PanicCollector(layout: layout)
    while true {
      let exit = try vcpu.run()
      exits.count(exit)
      endTimeStamp = linux_read_tsc()
      switch exit {
      case .mmioWrite(let access) where layout.deviceSlot.contains(access.address):
        bus!.write(access, offset: access.address - layout.deviceRegisters, posted: sharedPage)
        if let ending = try MachineOutcome.ending(bus!.consoleDelivery) { return ending }
      case .mmioWrite(let access):
        let offset = access.address &- layout.controlPage
        switch (offset, access.byteCount) {
        case (UInt64(NEEDLETAIL_CONTROL_CONSOLE), 4):
          if let bus {
            bus.drainConsole()
            if let ending = try MachineOutcome.ending(bus.consoleDelivery) { return ending }
          }
          switch try console.drain(sharedPage, stopFlag: stopFlag) {
          case .written: break
          case .closed: return .consoleClosed
          case .stopped: return .stopped
          }
        case (UInt64(NEEDLETAIL_CONTROL_EXIT), 4):
          return .exited(UInt8(truncatingIfNeeded: access.data))
        case (UInt64(NEEDLETAIL_CONTROL_TRAP), 4):
          return .panicked(
            try collector.collectTrap(vector: UInt32(truncatingIfNeeded: access.data), vcpu, memory))
        default:
          return .panicked(
            try collector.collect(
              .controlPageMisuse(offset: offset, byteCount: access.byteCount, isWrite: true), vcpu, memory))
        }
      case .mmioRead(let access):
        let offset = access.address &- layout.controlPage
        return .panicked(
          try collector.collect(
            .controlPageMisuse(offset: offset, byteCount: access.byteCount, isWrite: false), vcpu, memory))
      case .port:
        return .unexpectedExit(UInt32(KVM_EXIT_IO))
      case .interrupted:
        if stopFlag.pointee != 0 { return .stopped }
      case .memoryFault:
        return .panicked(try collector.collect(.memoryFault, vcpu, memory))
      case .shutdown:
        return .panicked(try collector.collect(.tripleFault, vcpu, memory))
      case .internalError(let suberror):
        return .panicked(try collector.collect(.emulationFailure(suberror: suberror), vcpu, memory))
      case .entryFailed(let reason):
        return .panicked(try collector.collect(.entryFailure(reason: reason), vcpu, memory))
      case .other(let reason):
        return .unexpectedExit(reason)
      }
    }
  }

  // MARK: Reporting

  /// What to add to an address of the image as linked to get where this machine has it.
  public var imageBias: UInt64 { layout.imageBias }
  /// The lowest and the lowest unmapped address of the application's stack.
  public var stack: Range<UInt64> { layout.stackBase..<layout.stackTop }

  /// What each device did so far, in the order in which the image declares them.
  public var deviceActivity: [DeviceActivity] { bus?.activity ?? [] }

  /// The guest's milestones as host time stamps; 0 where one was not reached or not left intact.
  public func milestones() -> [UInt64] {
    let offset = vcpu.timeStampCounterOffset() ?? 0
    let marks = sharedPage.pointee.milestones
    return [marks.0, marks.1, marks.2].map { $0 == 0 ? 0 : $0 &- offset }
  }
}

/// Runs `body`, turning a failed system call into a `MachineError`.
func orMachineError<Result: ~Copyable>(
  _ body: () throws(SystemCallError) -> Result
) throws(MachineError) -> Result {
  do throws(SystemCallError) {
    return try body()
  } catch {
    throw .system(error)
  }
}
