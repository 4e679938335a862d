import GuestKernel
import ProbeSupport

/// Does what its first argument names, on a machine without devices.
@main
struct Program {
  static func main() async {
    await Probe.runNamed(
      in: consoleProbes + placementProbes + protectionProbes + processorProbes + clockProbes + taskProbes
        + memoryProbes + randomProbes + endlessProbes)
  }
}

extension Duration {
  var inNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}
