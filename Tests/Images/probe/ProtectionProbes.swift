import CGuestKernel
import CrashPrimitives
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

let protectionProbes: [Probe] = [
  Probe("forbidden") { arguments in
    guard let access = forbiddenAccesses().first(where: { $0.mode == arguments.first }) else { Kernel.exit(2) }
    print("touching \(access.address.hexadecimal)")
    access.perform(access.address)
    print("still alive")
    Kernel.exit(3)
  },
  Probe("instruction") { arguments in
    guard let instruction = forbiddenInstructions.first(where: { $0.name == arguments.first }) else { Kernel.exit(2) }
    print("executing \(instruction.name)")
    instruction.execute()
    print("still alive")
    Kernel.exit(3)
  },
  Probe("lie-about-lengths") { _ in
    let page = UnsafeMutablePointer<SharedPage>(bitPattern: UInt(bootInformation().shared_page))!
    page.pointee.console_length = .max
    page.pointee.panic_length = .max
    probe_int3()
  },
]

private struct Access {
  let mode: String
  let address: UInt
  let perform: (UInt) -> Void

  init(_ mode: String, _ address: UInt64, _ perform: @escaping (UInt) -> Void) {
    self.mode = mode
    self.address = UInt(address)
    self.perform = perform
  }
}

private func forbiddenAccesses() -> [Access] {
  let info = bootInformation()
  let system = SystemPages(behind: info)
  let heap = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
  heap.pointee = 0xc3c3_c3c3_c3c3_c3c3  // RET, if it were executable
  let heapAddress = UInt64(UInt(bitPattern: heap))
  let imageEnd = (info.image_base + info.image_size + 0xfff) & ~0xfff
  let memoryEnd = info.heap_base + info.heap_size
  let controlPage = info.control_page
  return [
    Access("read-null", 0) { crash_read($0) },
    Access("write-null", 0) { crash_write($0) },
    Access("execute-null", 0) { crash_jump($0) },
    Access("read-null-page-end", 0xfff) { crash_read($0) },
    Access("write-own-text", UInt64(crash_address_of_text())) { crash_write($0) },
    Access("write-constants", UInt64(probe_constant())) { crash_write($0) },
    Access("write-relocated-constants", UInt64(probe_relocated_constant())) { crash_write($0) },
    Access("execute-constants", UInt64(probe_constant())) { crash_jump($0) },
    Access("execute-data", UInt64(probe_data())) { crash_jump($0) },
    Access("execute-heap", heapAddress) { crash_jump($0) },
    Access("execute-stack", probe_stack_pointer()) { crash_jump($0) },
    Access("execute-shared-page", info.shared_page) { crash_jump($0) },
    Access("execute-boot-information", bootInformationAddress) { crash_jump($0) },
    Access("write-boot-information", bootInformationAddress) { crash_write($0) },
    Access("write-clock-page", info.clock) { crash_write($0) },
    Access("read-trap-text", UInt64(probe_trap_table())) { crash_read($0) },
    Access("write-trap-text", UInt64(probe_trap_table())) { crash_write($0) },
    Access("execute-trap-text", UInt64(probe_trap_table())) { crash_jump($0) },
    Access("read-ring-0-stack", system.ring0Stack) { crash_read($0) },
    Access("write-ring-0-stack", system.ring0Stack) { crash_write($0) },
    Access("read-interrupt-descriptors", system.interruptDescriptors) { crash_read($0) },
    Access("write-interrupt-descriptors", system.interruptDescriptors) { crash_write($0) },
    Access("write-global-descriptors", system.globalDescriptors) { crash_write($0) },
    Access("read-page-tables", system.pageTables) { crash_read($0) },
    Access("write-page-tables", system.pageTables) { crash_write($0) },
    Access("write-below-stack", info.stack_base - 8) { crash_write($0) },
    Access("read-below-image", info.control_page - 8) { crash_read($0) },
    Access("read-behind-image", imageEnd) { crash_read($0) },
    Access("read-behind-memory", memoryEnd) { crash_read($0) },
    Access("write-behind-memory", memoryEnd) { crash_write($0) },
    Access("read-local-apic", 0xfee0_0000) { crash_read($0) },
    Access("read-control-page", controlPage) { crash_read($0) },
    Access("write-control-byte", controlPage) { crash_write($0) },
    Access("write-control-quad", controlPage) { probe_write64($0) },
    Access("write-control-unknown", controlPage + 0xffc) { probe_write32($0) },
    Access("write-control-unaligned", controlPage + 1) { probe_write32($0) },
  ]
}

private struct Instruction {
  let name: String
  let execute: @Sendable () -> Void

  init(_ name: String, _ execute: @escaping @Sendable () -> Void) {
    self.name = name
    self.execute = execute
  }
}

private let forbiddenInstructions: [Instruction] = [
  Instruction("cli") { probe_cli() },
  Instruction("sti") { probe_sti() },
  Instruction("in") { probe_in() },
  Instruction("out") { probe_out() },
  Instruction("mov-from-cr0") { probe_mov_from_cr0() },
  Instruction("mov-to-cr0") { probe_mov_to_cr0() },
  Instruction("mov-to-cr3") { probe_mov_to_cr3() },
  Instruction("mov-to-cr4") { probe_mov_to_cr4() },
  Instruction("rdmsr") { probe_rdmsr() },
  Instruction("wrmsr") { probe_wrmsr() },
  Instruction("lgdt") { probe_lgdt() },
  Instruction("lidt") { probe_lidt() },
  Instruction("ltr") { probe_ltr() },
  Instruction("invlpg") { probe_invlpg() },
  Instruction("wbinvd") { probe_wbinvd() },
  Instruction("clts") { probe_clts() },
  Instruction("int-0x20") { probe_int_0x20() },
  Instruction("int-0x80") { probe_int_0x80() },
  Instruction("int3") { probe_int3() },
  Instruction("iret-to-ring-0") { probe_iret_to_ring_0() },
  Instruction("load-kernel-segment") { probe_load_kernel_segment() },
  Instruction("xsetbv") { probe_xsetbv() },
  Instruction("non-canonical-read") { probe_non_canonical_read() },
  Instruction("rdpmc") { probe_rdpmc() },
  Instruction("swapgs") { probe_swapgs() },
  Instruction("sysret") { probe_sysret() },
  Instruction("syscall") { probe_syscall() },
]
