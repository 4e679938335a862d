import GuestKernel
import ProbeSupport

/// What only a signal ends.
let endlessProbes: [Probe] = [
  Probe("forever") { arguments in
    print("ready")
    switch arguments.first {
    case "sleep": try? await Task.sleep(for: .seconds(3600))
    case "spin":
      var readings = 0
      while readings >= 0 { readings = ContinuousClock.Instant.now > .now ? -1 : 0 }
    case "switch-tasks":
      Task { while true { await Task.yield() } }
      while true { await Task.yield() }
    case "print":
      while true { print("a line like any other") }
    case "print-in-bulk":
      Console.buffering = .explicit
      while true { print("a line like any other") }
    default: break
    }
    Kernel.exit(2)
  }
]
