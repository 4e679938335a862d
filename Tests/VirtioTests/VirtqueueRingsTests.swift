import Testing

@testable import Virtio

/// Where a queue may be (virtio-1.2 §2.7, §4.2.2.2).
@Suite struct VirtqueueRingsTests {
  private let memory = GuardedMemory()
  private let main = GuardedMemory.main
  private var mainEnd: UInt64 { main.address + UInt64(main.count) }

  /// Why a queue with these parameters cannot be; nil if it can.
  private func refusal(
    size: UInt32 = 8, limit: UInt16 = 256, descriptors: UInt64? = nil, driver: UInt64? = nil, device: UInt64? = nil
  ) -> VirtqueueSetupError? {
    let addresses = VirtqueueAddresses(
      descriptors: descriptors ?? main.address, driver: driver ?? main.address + 0x2000,
      device: device ?? main.address + 0x3000)
    do throws(VirtqueueSetupError) {
      _ = try VirtqueueRings(addresses, size: size, limit: limit, memory: memory.regions)
      return nil
    } catch {
      return error
    }
  }

  @Test func sizes() {
    for size: UInt32 in [1, 2, 4, 8, 16, 32, 64, 128, 256] { #expect(refusal(size: size) == nil) }
    for size: UInt32 in [0, 3, 5, 6, 7, 9, 255, 257, 512, 65536, 65544, 0x8000_0000, 0x1_0000 + 8, .max] {
      #expect(refusal(size: size) == .size)
    }
    #expect(refusal(size: 16, limit: 8) == .size)
    // The largest that there is, and one that a device must not offer.
    let large = GuardedMemory([GuardedMemory.Area(address: 0, count: 0x10_0000)])
    let addresses = VirtqueueAddresses(descriptors: 0, driver: 0x8_0000, device: 0xa_0000)
    #expect((try? VirtqueueRings(addresses, size: 32768, limit: .max, memory: large.regions))?.size == 32768)
    #expect((try? VirtqueueRings(addresses, size: 65536, limit: .max, memory: large.regions)) == nil)
  }

  @Test func alignments() {
    for offset: UInt64 in 1..<16 {
      #expect(refusal(descriptors: main.address + offset) == .alignment)
      #expect(refusal(driver: main.address + 0x2000 + offset) == (offset % 2 == 0 ? nil : .alignment))
      #expect(refusal(device: main.address + 0x3000 + offset) == (offset % 4 == 0 ? nil : .alignment))
    }
  }

  @Test func eachAreaEndsWithItsRegion() {
    // §2.7: 16 * size, 6 + 2 * size, 6 + 8 * size, and at most a byte or three lost to alignment.
    #expect(refusal(descriptors: mainEnd - 128) == nil)
    #expect(refusal(descriptors: mainEnd - 112) == .memory)
    #expect(refusal(driver: mainEnd - 22) == nil)
    #expect(refusal(driver: mainEnd - 20) == .memory)
    #expect(refusal(device: mainEnd - 72) == nil)
    #expect(refusal(device: mainEnd - 68) == .memory)
    #expect(refusal(descriptors: main.address - 16) == .memory)
  }

  @Test func noAreaLiesAcrossTwoRegions() {
    let border = GuardedMemory.upper.address
    #expect(refusal(descriptors: border - 16) == .memory)
    #expect(refusal(driver: border - 2) == .memory)
    #expect(refusal(device: border - 4) == .memory)
    #expect(refusal(descriptors: border, driver: border + 0x1000, device: border + 0x2000) == nil)
  }

  @Test func theDeviceAreaAloneMustBeWritable() {
    let readOnly = GuardedMemory.readOnly.address
    #expect(refusal(descriptors: readOnly, driver: readOnly + 0x1000) == nil)
    #expect(refusal(device: readOnly) == .memory)
  }

  @Test func addressesAtTheEndOfEverything() {
    let highest = GuardedMemory.highest.address
    #expect(refusal(descriptors: highest, driver: highest + 0x800, device: highest + 0xc00) == nil)
    for address: UInt64 in [0, 0xffff_ffff_ffff_fff0, 0x8000_0000_0000_0000, 0x7fff_ffff_ffff_fff0, highest + 0x1000] {
      #expect(refusal(descriptors: address) == .memory)
      #expect(refusal(driver: address) == .memory)
      #expect(refusal(device: address) == .memory)
    }
  }
}
