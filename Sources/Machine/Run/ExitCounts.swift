import KVM

/// How often the guest came back to the monitor, by kind.
public struct ExitCounts: Equatable, Sendable {
  /// Writes to the control page.
  public private(set) var mmioWrites = 0
  /// Reads of the control page.
  public private(set) var mmioReads = 0
  /// Accesses to I/O ports, which end a machine with an image.
  public private(set) var portAccesses = 0
  /// Signals to the monitor.
  public private(set) var interruptions = 0
  /// Everything else, each of which ends the machine.
  public private(set) var others = 0

  /// All of them.
  public var total: Int { mmioWrites + mmioReads + portAccesses + interruptions + others }

  mutating func count(_ exit: VCPUExit) {
    switch exit {
    case .mmioWrite: mmioWrites += 1
    case .mmioRead: mmioReads += 1
    case .port: portAccesses += 1
    case .interrupted: interruptions += 1
    case .memoryFault, .shutdown, .entryFailed, .internalError, .other: others += 1
    }
  }
}
