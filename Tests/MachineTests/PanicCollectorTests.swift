import CKVM
import KVM
import MachineABI
import SeededRandom
import Testing

@testable import Machine

/// What is made of a guest that failed, and may have left anything behind.
@Suite struct PanicCollectorTests {
  /// A machine's memory without a machine.
  private struct Guest: ~Copyable {
    let layout: MachineLayout
    let memory: GuestMemory

    init() throws {
      let layout = try MachineLayout(.init(memory: 4 << 20, placement: .init(image: 123, memory: 456)))
      memory = try GuestMemory(layout)
      self.layout = layout
    }

    borrowing func store(_ words: UInt64..., at address: UInt64) {
      for (index, word) in words.enumerated() {
        memory.host(address + UInt64(8 * index), count: 8)!.storeBytes(of: word, as: UInt64.self)
      }
    }

    /// An address in the image.
    func code(_ offset: UInt64) -> UInt64 { layout.imageBase + offset }

    borrowing func panic(rip: UInt64, rsp: UInt64 = 0, rbp: UInt64) -> GuestPanic {
      var registers = kvm_regs()
      registers.rip = rip
      registers.rsp = rsp
      registers.rbp = rbp
      return PanicCollector(layout: layout).panic(.tripleFault, GuestRegisters(registers), memory)
    }

    borrowing func say(_ bytes: [UInt8], length: UInt32? = nil) -> String {
      let page = memory.host(layout.sharedPage, count: 4096)!.assumingMemoryBound(to: SharedPage.self)
      page.pointee.panic_length = length ?? UInt32(bytes.count)
      for (index, byte) in bytes.enumerated() {
        needletail_shared_panic_message(page)[index] = CChar(bitPattern: byte)
      }
      return panic(rip: 0, rbp: 0).message
    }
  }

  // MARK: Frames

  @Test func chainToItsEnd() throws {
    let guest = try Guest()
    let frame = guest.layout.stackBase + 0x1000
    guest.store(frame + 0x20, guest.code(1), at: frame)
    guest.store(frame + 0x40, guest.code(2), at: frame + 0x20)
    guest.store(0, guest.code(3), at: frame + 0x40)
    let panic = guest.panic(rip: guest.code(0), rbp: frame)
    #expect(panic.frames == (0...3).map { guest.layout.imageBase + $0 })
    #expect(panic.registers.rbp == frame)
    #expect(panic.cause == .tripleFault)
  }

  @Test func asynchronousFramesAreMarked() throws {
    let guest = try Guest()
    let mark: UInt64 = 1 << 60
    let frame = guest.layout.stackBase + 0x1000
    guest.store(frame + 0x20 | mark, guest.code(1), at: frame)
    guest.store(0, guest.code(2), at: frame + 0x20)
    let panic = guest.panic(rip: guest.code(0), rbp: frame | mark)
    #expect(panic.frames == (0...2).map { guest.layout.imageBase + $0 })
  }

  /// A jump to where no code is: the caller lies on the stack.
  @Test func jumpToNowhere() throws {
    let guest = try Guest()
    let stack = guest.layout.stackBase + 0x800
    guest.store(guest.code(9), at: stack)
    let panic = guest.panic(rip: 0x1234, rsp: stack, rbp: 0)
    #expect(panic.frames == [0x1234, guest.layout.imageBase + 9])
    let lost = guest.panic(rip: 0x1234, rsp: .max, rbp: 0)
    #expect(lost.frames == [0x1234])
  }

  @Test func cycles() throws {
    let guest = try Guest()
    let frame = guest.layout.stackBase + 0x1000
    guest.store(frame, guest.code(1), at: frame)
    let own = guest.panic(rip: guest.code(0), rbp: frame)
    #expect(own.frames.count == 2)
    // There and back: the second step goes down the stack.
    guest.store(frame + 0x20, guest.code(1), at: frame)
    guest.store(frame, guest.code(2), at: frame + 0x20)
    let pair = guest.panic(rip: guest.code(0), rbp: frame)
    #expect(pair.frames == (0...2).map { guest.layout.imageBase + $0 })
  }

  @Test func descendingChain() throws {
    let guest = try Guest()
    let frame = guest.layout.stackBase + 0x1000
    guest.store(frame - 0x20, guest.code(1), at: frame)
    guest.store(frame - 0x40, guest.code(2), at: frame - 0x20)
    let panic = guest.panic(rip: guest.code(0), rbp: frame)
    #expect(panic.frames == (0...1).map { guest.layout.imageBase + $0 })
  }

  @Test func callersThatAreNoCode() throws {
    let guest = try Guest()
    let frame = guest.layout.stackBase + 0x1000
    for caller in [0, guest.layout.imageBase - 1, guest.layout.imageBase + guest.layout.imageSize, frame, .max] {
      guest.store(frame + 0x20, caller, at: frame)
      let panic = guest.panic(rip: guest.code(0), rbp: frame)
      #expect(panic.frames.count == 1, "\(caller)")
    }
  }

  @Test func framePointersThatPointNowhere() throws {
    let guest = try Guest()
    let layout = guest.layout
    let pointers: [UInt64] = [
      0, 1, 8, .max, .max - 7, .max - 15, 1 << 63, 1 << 60, layout.stackBase + 1, layout.stackBase - 8,
      layout.stackBase - 16, layout.memoryEnd - 8, layout.memoryEnd, layout.controlPage,
      layout.imageBase + layout.imageSize - 8, layout.imageBase + layout.imageSize, 0xffff_8000_0000_0000,
    ]
    for pointer in pointers {
      let first = guest.panic(rip: guest.code(0), rbp: pointer)
      #expect(first.frames.count == 1, "\(pointer)")
      let frame = layout.stackBase + 0x1000
      guest.store(pointer, guest.code(1), at: frame)
      let second = guest.panic(rip: guest.code(0), rbp: frame)
      #expect(second.frames.count == 2, "\(pointer)")
    }
  }

  @Test func longestChain() throws {
    let guest = try Guest()
    let count: UInt64 = 100_000
    for index in 0..<count {
      let frame = guest.layout.heap + 16 * index
      guest.store(frame + 16, guest.code(index % 0x1000), at: frame)
    }
    let panic = guest.panic(rip: guest.code(0), rbp: guest.layout.heap)
    #expect(panic.frames.count == 128)
  }

  /// Memory full of pointers into itself and into the image, followed from everywhere.
  @Test func forgedMemory() throws {
    let guest = try Guest()
    var generator = SeededGenerator(seed: 0x666f_7267_6564)
    let region = guest.layout.stackBase..<guest.layout.stackBase + 0x2000
    for address in stride(from: region.lowerBound, to: region.upperBound, by: 8) {
      let word: UInt64
      switch generator.next() % 4 {
      case 0: word = .random(in: region, using: &generator)
      case 1: word = .random(in: region, using: &generator) & ~7 | (1 << 60)
      case 2: word = guest.code(.random(in: 0..<0x7000, using: &generator))
      default: word = generator.next()
      }
      guest.store(word, at: address)
    }
    var longest = 0
    for _ in 0..<20_000 {
      let pointer = UInt64.random(in: region, using: &generator)
      let rip = Bool.random(using: &generator) ? guest.code(4) : generator.next()
      let panic = guest.panic(rip: rip, rsp: .random(in: region, using: &generator), rbp: pointer & ~7)
      #expect(panic.frames.count <= 128)
      longest = max(longest, panic.frames.count)
    }
    #expect(longest > 3)
  }

  // MARK: Words

  @Test func plainMessages() throws {
    let guest = try Guest()
    let words = [guest.say(Array("Fatal error: é 日本 🧵".utf8)), guest.say([]), guest.say(Array("a\tb\nc\n\n".utf8))]
    #expect(words == ["Fatal error: é 日本 🧵", "", "a\tb\nc"])
  }

  @Test func controlCharactersAreTakenOut() throws {
    let guest = try Guest()
    let words = [
      guest.say(Array("\u{1b}[2J\u{7}red\u{7f}\r\0!".utf8)),
      // C1 controls, which terminals take for ESC [ and the like.
      guest.say(Array("a\u{9b}31mb\u{80}c\u{9f}d\u{a0}e".utf8)),
    ]
    #expect(words == ["[2Jred!", "a31mbcd\u{a0}e"])
    // Every byte there is, and every pair that begins as a C1 control does.
    for first in 0...255 as ClosedRange<UInt8> {
      let text = guest.say([first, 0x1b, 0xc2, 0x9b, first])
      let isClean = text.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && !(0x7f..<0xa0).contains($0.value) || $0 == "\n" || $0 == "\t"
      }
      #expect(isClean, "\(first)")
    }
  }

  @Test func invalidUTF8IsReplaced() throws {
    let guest = try Guest()
    let words = [guest.say([0x61, 0xff, 0x62]), guest.say([0xe2, 0x82]), guest.say([0xed, 0xa0, 0x80, 0x63])]
    #expect(words[0] == "a\u{fffd}b")
    #expect(words[1] == "\u{fffd}")
    #expect(words[2].hasSuffix("c"))
  }

  @Test(arguments: [463, 464, 465, 4096, 0x7fff_ffff, 0x8000_0000, .max] as [UInt32])
  func lengthsAreBounded(length: UInt32) throws {
    let guest = try Guest()
    // The console's buffer comes next in the page.
    let page = guest.memory.host(guest.layout.sharedPage, count: 4096)!.assumingMemoryBound(to: SharedPage.self)
    needletail_shared_console(page)[0] = 0x21
    let text = guest.say([UInt8](repeating: 0x61, count: 464), length: length)
    #expect(text == String(repeating: "a", count: min(Int(length), 464)))
  }

  // MARK: Traps

  // Needs /dev/kvm.
  /// Any ring may ring the trap doorbell, with any vector and any stack.
  @Test(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) func forgedTraps() throws {
    let guest = try Guest()
    let system = try KVMSystem()
    let machine = try system.createVirtualMachine()
    try machine.createSplitInterruptController()
    let vcpu = try machine.createVCPU(number: 0, mappingSize: system.vcpuMappingSize())
    let collector = PanicCollector(layout: guest.layout)
    let stacks: [UInt64] = [
      0, .max, .max - 7, .max - 15, .max - 31, guest.layout.memoryEnd - 8, guest.layout.stackBase,
    ]
    for stack in stacks {
      var registers = kvm_regs()
      registers.rsp = stack
      registers.rflags = 2
      try vcpu.setRegisters(registers)
      for vector in [0, 6, 8, 13, 14, 31, 32, 63, 64, 255, 256 + 14, .max] as [UInt32] {
        let panic = try collector.collectTrap(vector: vector, vcpu, guest.memory)
        guard case .exception(UInt8(truncatingIfNeeded: vector), 0, _) = panic.cause else {
          Issue.record("\(panic.cause)")
          continue
        }
      }
    }
  }

  // Needs /dev/kvm.
  @Test(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) func trapFrames() throws {
    let guest = try Guest()
    let system = try KVMSystem()
    let machine = try system.createVirtualMachine()
    let vcpu = try machine.createVCPU(number: 0, mappingSize: system.vcpuMappingSize())
    let collector = PanicCollector(layout: guest.layout)
    let frame = guest.layout.systemPage + 0x700
    // Error code, RIP, CS, RFLAGS, RSP, SS (Intel SDM volume 3, figure 6-9).
    guest.store(5, guest.code(0x11), 0x1b, 0x202, guest.layout.stackTop - 8, 0x13, at: frame)
    for (vector, start, errorCode) in [(14, frame, 5), (13, frame, 5), (6, frame + 8, 0), (0, frame + 8, 0)]
      as [(UInt32, UInt64, UInt64)]
    {
      var registers = kvm_regs()
      registers.rsp = start
      registers.rflags = 2
      registers.rbx = 0xb
      try vcpu.setRegisters(registers)
      let panic = try collector.collectTrap(vector: vector, vcpu, guest.memory)
      guard case .exception(UInt8(vector), errorCode, _) = panic.cause else {
        Issue.record("\(panic.cause)")
        continue
      }
      #expect(panic.registers.rip == guest.layout.imageBase + 0x11)
      #expect(panic.registers.rflags == 0x202)
      #expect(panic.registers.rsp == guest.layout.stackTop - 8)
      #expect(panic.registers.rbx == 0xb)
    }
  }
}
