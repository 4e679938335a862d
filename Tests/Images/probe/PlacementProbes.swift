import GuestKernel
import MachineABI
import ProbePrimitives

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

/// Where the boot information is.
///
/// An application is not told; so by this monitor's layout: it follows the shared page, which follows the page of the
/// thread control block.
let bootInformationAddress: UInt64 = {
  let page = UInt64(pageSize)
  let sharedPage = (probe_fs_word(0) + page - 1) & ~(page - 1)
  return sharedPage + UInt64(NEEDLETAIL_SHARED_PAGE_SIZE)
}()

func bootInformation() -> BootInfo {
  let info = UnsafePointer<BootInfo>(bitPattern: UInt(bootInformationAddress))!.pointee
  guard info.magic == UInt32(NEEDLETAIL_BOOT_INFO_MAGIC) else { fatalError("the boot information is elsewhere") }
  return info
}
