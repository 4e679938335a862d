import CKVM
import CLinux
import Testing

@testable import KVM

/// Whether this machine lets us use KVM.
let hasKVM = access(KVMSystem.devicePath, R_OK | W_OK) == 0

@Suite struct KVMSystemErrorTests {
  @Test func missingDevice() {
    let error = #expect(throws: SystemCallError.self) { _ = try KVMSystem(devicePath: "/nonexistent/kvm") }
    #expect(error?.description == "open /nonexistent/kvm: No such file or directory")
  }

  @Test func anotherDevice() throws {
    let system = try KVMSystem(devicePath: "/dev/null")
    do {
      _ = try system.apiVersion()
      Issue.record("/dev/null has a KVM version")
    } catch {
      #expect(error.description == "KVM_GET_API_VERSION: Inappropriate ioctl for device")
    }
    do {
      _ = try system.createVirtualMachine()
      Issue.record("/dev/null makes machines")
    } catch {
      #expect(error.description == "KVM_CREATE_VM: Inappropriate ioctl for device")
    }
  }

  @Test func tablesOfLeaves() {
    let leaves = (0..<256 as Range<UInt32>).map {
      CPUIDLeaf(function: $0 / 2, index: $0 % 2 == 0 ? nil : $0, eax: $0 &* 3, ebx: .max, ecx: 7, edx: .max - $0)
    }
    for count in [0, 1, 255, 256] {
      let table = CPUIDTable(Array(leaves[..<count]))
      let stated = Int(table.header.pointee.nent), kept = table.leaves
      #expect(stated == count)
      #expect(kept == Array(leaves[..<count]))
      // What KVM says is not believed.
      table.header.pointee.nent = .max
      if count == CPUIDTable.limit {
        let believed = table.leaves
        #expect(believed == leaves)
      }
    }
  }

  @Test func tooManyLeavesEndTheProcess() async {
    await #expect(processExitsWith: .failure) { _ = CPUIDTable(capacity: 257) }
  }

  @Test func leavesPassThroughTheKernelsForm() {
    for leaf in [
      CPUIDLeaf(function: 1, eax: 2, ebx: 3, ecx: 4, edx: 5),
      CPUIDLeaf(function: 0xd, index: 0, eax: .max),
      CPUIDLeaf(function: 0x8000_0001, index: 7, edx: 1),
    ] {
      var entry = kvm_cpuid_entry2()
      entry.padding.0 = 9
      leaf.store(to: &entry)
      #expect(CPUIDLeaf(entry) == leaf)
      #expect(entry.padding.0 == 0)
    }
  }
}

// Needs /dev/kvm.
@Suite(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) struct KVMSystemTests {
  @Test func version() throws {
    let version = try KVMSystem().apiVersion()
    #expect(version == Int(KVM_API_VERSION))
  }

  @Test func capabilities() throws {
    let system = try KVMSystem()
    let userMemory = try system.capability(KVM_CAP_USER_MEMORY)
    #expect(userMemory > 0)
    let unknown = try system.capability(.max)
    #expect(unknown == 0)
  }

  @Test func mappingHoldsTheRunStructure() throws {
    let size = try KVMSystem().vcpuMappingSize()
    #expect(size >= MemoryLayout<kvm_run>.size)
    #expect(size % 4096 == 0)
  }

  @Test func supportedLeaves() throws {
    let leaves = try KVMSystem().supportedCPUID()
    #expect(leaves.contains { $0.function == 0 })
    #expect(leaves.contains { $0.function == 0x8000_0001 })
    #expect(leaves.contains { $0.function == 7 && $0.index == 0 })
    #expect(leaves.contains { $0.function == 1 && $0.index == nil })
  }
}

// Needs /dev/kvm.
@Suite(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) struct VirtualMachineTests {
  /// A machine with a processor, and nothing to run.
  private func makeVCPU() throws -> VCPU {
    let system = try KVMSystem()
    let machine = try system.createVirtualMachine()
    try machine.createSplitInterruptController()
    return try machine.createVCPU(number: 0, mappingSize: system.vcpuMappingSize())
  }

  @Test func registersAreKept() throws {
    let vcpu = try makeVCPU()
    var registers = kvm_regs()
    registers.rip = 0x1234_5000
    registers.rax = .max
    registers.r15 = 0x0123_4567_89ab_cdef
    registers.rflags = 2
    try vcpu.setRegisters(registers)
    let kept = try vcpu.registers()
    #expect(kept.rip == registers.rip)
    #expect(kept.rax == registers.rax)
    #expect(kept.r15 == registers.r15)
  }

  @Test func specialRegistersAreKept() throws {
    let vcpu = try makeVCPU()
    var registers = try vcpu.specialRegisters()
    registers.gdt.base = 0x5000
    registers.gdt.limit = 31
    try vcpu.setSpecialRegisters(registers)
    let kept = try vcpu.specialRegisters()
    #expect(kept.gdt.base == 0x5000)
    #expect(kept.gdt.limit == 31)
  }

  @Test func localAPICIsKept() throws {
    let vcpu = try makeVCPU()
    var state = try vcpu.localAPIC()
    let spuriousInterrupt = 0xf0  // Intel SDM volume 3, table 11-1
    state[spuriousInterrupt] = 0x1ff
    try vcpu.setLocalAPIC(state)
    let kept = try vcpu.localAPIC()[spuriousInterrupt]
    #expect(kept == 0x1ff)
  }

  @Test func anUnknownMSRIsReported() throws {
    let vcpu = try makeVCPU()
    let isSet = try vcpu.setMSR(0xdead_beef, to: 1)
    #expect(isSet == false)
  }

  @Test func immediateExit() throws {
    let vcpu = try makeVCPU()
    vcpu.immediateExitFlag.pointee = 1
    guard case .interrupted = try vcpu.run() else {
      Issue.record("it ran")
      return
    }
  }

  @Test func timeStampCounterHasAFrequency() throws {
    let khz = try makeVCPU().timeStampCounterFrequency()
    #expect(khz > 100_000)
  }

  @Test func clocksGoOn() throws {
    let machine = try KVMSystem().createVirtualMachine()
    let first = try machine.clock()
    let second = try machine.clock()
    #expect(second.nanoseconds >= first.nanoseconds)
    // 2020-01-01, before this was written.
    #expect(first.wallClock > 1_577_836_800_000_000_000)
    #expect(first.startingNow.nanoseconds == 0)
    #expect(first.startingNow.wallClock == first.wallClock)
  }

  @Test(arguments: [
    (guest: UInt64(1), count: 4096, code: EINVAL),
    (guest: 4096, count: 100, code: EINVAL),
    (guest: 0x10_0000, count: 4096, code: EEXIST),
  ])
  func slotsThatCannotBe(guest: UInt64, count: Int, code: Int32) throws {
    let machine = try KVMSystem().createVirtualMachine()
    let memory = try MemoryMapping(anonymous: 16 << 10)
    try machine.setMemorySlot(
      MemorySlot(
        number: 0, guestAddress: 0x10_0000, hostAddress: memory.baseAddress, byteCount: 8192, isReadOnly: false))
    do throws(SystemCallError) {
      try machine.setMemorySlot(
        MemorySlot(
          number: 1, guestAddress: guest, hostAddress: memory.baseAddress + 8192, byteCount: count, isReadOnly: true))
      Issue.record("the slot was taken")
    } catch {
      #expect(error.operation.description == "KVM_SET_USER_MEMORY_REGION")
      #expect(error.code == code)
    }
  }

  @Test func processorsHaveNumbersOfTheirOwn() throws {
    let system = try KVMSystem()
    let machine = try system.createVirtualMachine()
    let size = try system.vcpuMappingSize()
    let first = try machine.createVCPU(number: 0, mappingSize: size)
    do throws(SystemCallError) {
      _ = try machine.createVCPU(number: 0, mappingSize: size)
      Issue.record("two processors have one number")
    } catch {
      #expect(error.description == "KVM_CREATE_VCPU: File exists")
    }
    _ = consume first
  }
}
