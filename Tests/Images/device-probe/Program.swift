import GuestKernel
import ProbeSupport

#devices(.console, .entropy, .block("data"), .block("log"))

/// Does what its first argument names, on a machine with a device of each kind, and two disks.
@main
struct Program {
  static func main() async {
    await Probe.runNamed(in: blockProbes + blockLoadProbes + consoleProbes + entropyProbes + hostileProbes)
  }
}
