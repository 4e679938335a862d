import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

let placementProbes: [Probe] = [
  Probe("layout") { _ in
    let info = bootInformation()
    print("image \(info.image_base.hexadecimal)")
    print("stack \(info.stack_base.hexadecimal)")
    print("heap \(info.heap_base.hexadecimal)")
    print("machine \(Kernel.memory.machineBytes)")
    print("heap-size \(Kernel.memory.heapBytes)")
  },
  Probe("boot-information") { _ in
    let info = bootInformation()
    print("magic \(info.magic.hexadecimal)")
    print("version \(info.version)")
    print("device-count \(info.device_count)")
    print("argument-count \(info.argument_count)")
    print("canary-is-at-fs \(info.stack_canary == probe_fs_word(0x28) ? 1 : 0)")
    print("control-page-distance \((info.image_base - info.control_page).hexadecimal)")
  },
]
