import CLinux

/// When each phase of a run ended, as values of the host's time-stamp counter: a mark costs some 20 ns and no system call.
public struct Timeline: Sendable {
  /// The phases in their order. Each ends with its mark and began with the one before.
  public enum Phase: Int, CaseIterable, Sendable {
    /// From the monitor's main to the options read.
    case options
    /// Until the image has been opened and checked.
    case openImage
    /// Until /dev/kvm is open and knows what is needed.
    case openKVM
    /// KVM_CREATE_VM.
    case createVirtualMachine
    /// Until the image is in memory, relocated.
    case loadImage
    /// Until the guest has its memory (KVM_SET_USER_MEMORY_REGION), and the devices their pages.
    case memorySlot
    /// Until the interrupt controller and the processor exist (KVM_CREATE_VCPU).
    case createVCPU
    /// Until tables and boot information are written.
    case bootPages
    /// Until the processor is as the guest finds it.
    case registers
    /// Until the guest's first instruction, by the guest's own clock.
    case enterGuest
    /// Until the application's main.
    case guestStart
    /// Until the exit request.
    case guestMain
    /// Until the monitor knew the outcome.
    case leaveGuest

    /// Its name in a report.
    public var name: StaticString {
      switch self {
      case .options: "options"
      case .openImage: "open_image"
      case .openKVM: "open_kvm"
      case .createVirtualMachine: "create_vm"
      case .memorySlot: "memory_slot"
      case .createVCPU: "create_vcpu"
      case .loadImage: "load_image"
      case .bootPages: "boot_pages"
      case .registers: "registers"
      case .enterGuest: "enter_guest"
      case .guestStart: "guest_start"
      case .guestMain: "guest_main"
      case .leaveGuest: "leave_guest"
      }
    }
  }

  /// The time stamp when the monitor's main began.
  public let start: UInt64
  private var marks = InlineArray<13, UInt64>(repeating: 0)

  /// Begins now.
  public init() {
    start = linux_read_tsc()
  }

  /// Marks the end of a phase, now or at a given time stamp; a time stamp of 0 marks nothing.
  public mutating func mark(_ phase: Phase, at timeStamp: UInt64? = nil) {
    marks[phase.rawValue] = timeStamp ?? linux_read_tsc()
  }

  /// The phases that were marked, each with its length in time-stamp ticks.
  public func durations() -> [(phase: Phase, ticks: UInt64)] {
    var durations: [(phase: Phase, ticks: UInt64)] = []
    var previous = start
    for phase in Phase.allCases where marks[phase.rawValue] != 0 {
      let mark = marks[phase.rawValue]
      // The guest can leave any number it likes as a milestone.
      durations.append((phase, mark >= previous ? mark - previous : 0))
      previous = max(previous, mark)
    }
    return durations
  }
}
