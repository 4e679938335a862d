import KVM
import Testing

@testable import Machine

@Suite struct LinuxProcessorFeaturesTests {
  private func filtered(_ leaf: CPUIDLeaf, hasDeadlineTimer: Bool = true) -> CPUIDLeaf? {
    LinuxProcessorFeatures([leaf], hasDeadlineTimer: hasDeadlineTimer).leaves.first
  }

  @Test func oneProcessorInAVirtualMachine() throws {
    let leaf = try #require(filtered(CPUIDLeaf(function: 1, eax: 7, ebx: 0x1234_0800, ecx: 1 << 5 | 1 << 0, edx: 9)))
    #expect(leaf == CPUIDLeaf(function: 1, eax: 7, ebx: 0x0001_0800, ecx: 1 << 31 | 1 << 24 | 1 << 0, edx: 9))
    #expect(try #require(filtered(leaf, hasDeadlineTimer: false)).ecx & 1 << 24 == 0)
  }

  @Test func noMachinesInside() throws {
    #expect(try #require(filtered(CPUIDLeaf(function: 0x8000_0001, ecx: .max))).ecx == ~(1 << 2 | 1 << 22))
    #expect(filtered(CPUIDLeaf(function: 0x8000_000a)) == nil)
  }

  @Test func noTopology() throws {
    for function: UInt32 in [0xb, 0x1f, 0x8000_001e, 0x8000_0026] {
      #expect(filtered(CPUIDLeaf(function: function, index: 0, eax: 1)) == nil)
    }
    #expect(try #require(filtered(CPUIDLeaf(function: 4, index: 1, eax: .max, ebx: 5))).eax == 0x3fff)
    #expect(try #require(filtered(CPUIDLeaf(function: 0x8000_0008, eax: 0x3030, ecx: 0x7007))).ecx == 0)
  }

  /// Leaves of KVM's own are what kvmclock is found by.
  @Test func otherLeavesStay() {
    for function: UInt32 in [0, 7, 0xd, 0x4000_0000, 0x4000_0001, 0x8000_0000] {
      let leaf = CPUIDLeaf(function: function, eax: .max, ebx: .max, ecx: .max, edx: .max)
      #expect(filtered(leaf) == leaf)
    }
  }
}
