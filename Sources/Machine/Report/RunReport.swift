import CLinux
import Virtio

/// What `--report` writes: how a run ended, what it cost, and where the time went.
public struct RunReport {
  /// Nanoseconds from the spawning process's call to the monitor's main; nil if nobody said when that was.
  public var processStart: UInt64?
  /// When each phase ended.
  public var timeline: Timeline
  /// How the run ended.
  public var outcome: MachineOutcome
  /// With which status the monitor ends for that (`needletail help run` lists them).
  public var exitStatus: Int32
  /// How often the guest came back to the monitor, and why.
  public var exits: ExitCounts
  /// What each device did, in the order of the image.
  public var devices: [DeviceActivity]
  /// Ticks of the host's time-stamp counter per millisecond.
  public var timeStampCounterKHz: Int
  /// The image as the user named it.
  public var imagePath: String
  /// The machine's writable memory, in bytes.
  public var memorySize: UInt64

  /// A report of these figures; see them.
  public init(
    processStart: UInt64?, timeline: Timeline, outcome: MachineOutcome, exitStatus: Int32, exits: ExitCounts,
    devices: [DeviceActivity], timeStampCounterKHz: Int, imagePath: String, memorySize: UInt64
  ) {
    self.processStart = processStart
    self.timeline = timeline
    self.outcome = outcome
    self.exitStatus = exitStatus
    self.exits = exits
    self.devices = devices
    self.timeStampCounterKHz = timeStampCounterKHz
    self.imagePath = imagePath
    self.memorySize = memorySize
  }

  /// The report as one JSON object. Times are whole nanoseconds.
  public func json() -> String {
    var writer = JSONWriter()
    writer.object { report in
      report.member("image", imagePath)
      report.member("memory_bytes", Int(memorySize))
      report.member("outcome", outcomeName)
      report.member("exit_status", Int(exitStatus))
      report.object("exits") { counts in
        counts.member("mmio_write", exits.mmioWrites)
        counts.member("mmio_read", exits.mmioReads)
        counts.member("port", exits.portAccesses)
        counts.member("interrupted", exits.interruptions)
        counts.member("other", exits.others)
        counts.member("total", exits.total)
      }
      if !devices.isEmpty {
        report.object("devices") { list in
          for device in devices {
            list.object(named: device.name) { counts in
              counts.member("kind", device.kind.name)
              counts.member("requests", Int(clamping: device.requests))
              counts.member("notifications", Int(clamping: device.notifications))
              counts.member("interrupts", Int(clamping: device.interrupts))
              if let network = device.network {
                counts.member("received_frames", Int(clamping: network.receivedFrames))
                counts.member("received_bytes", Int(clamping: network.receivedBytes))
                counts.member("lost_receives", Int(clamping: network.lostReceives))
                counts.member("sent_frames", Int(clamping: network.sentFrames))
                counts.member("sent_bytes", Int(clamping: network.sentBytes))
                counts.member("refused_sends", Int(clamping: network.refusedSends))
              }
            }
          }
        }
      }
      report.object("phases_ns") { phases in
        if let processStart { phases.member("process_start", Int(clamping: processStart)) }
        for (phase, ticks) in timeline.durations() { phases.member(phase.name, nanoseconds(ticks)) }
      }
      let usage = Self.resourceUsage()
      report.object("monitor") { monitor in
        monitor.member("peak_resident_bytes", usage.ru_maxrss * 1024)
        monitor.member("minor_page_faults", usage.ru_minflt)
      }
    }
    return writer.text
  }

  private var outcomeName: String {
    switch outcome {
    case .exited: "exited"
    case .panicked: "panicked"
    case .stopped: "stopped"
    case .consoleClosed: "console_closed"
    case .requiredNetworkLost: "required_network_lost"
    case .unexpectedExit: "unexpected_exit"
    }
  }

  private func nanoseconds(_ ticks: UInt64) -> Int {
    let product = ticks.multipliedFullWidth(by: 1_000_000)
    let khz = UInt64(max(timeStampCounterKHz, 1))
    guard product.high < khz else { return .max }
    return Int(clamping: khz.dividingFullWidth(product).quotient)
  }

  private static func resourceUsage() -> rusage {
    var usage = rusage()
    _ = linux_getrusage_self(&usage)
    return usage
  }
}
