import Testing

@testable import Virtio

@Suite struct GuestRegionsTests {
  nonisolated(unsafe) private static let host = UnsafeMutableRawPointer.allocate(byteCount: 0x4000, alignment: 4096)

  @Test func neighboursThatContinueEachOtherAreOne() {
    let regions = GuestRegions([
      GuestRegion(range: 0x2000..<0x3000, host: Self.host + 0x1000, isWritable: true),
      GuestRegion(range: 0x1000..<0x2000, host: Self.host, isWritable: true),
    ])
    #expect(regions.writable(0x1ff0, count: 0x20)?.baseAddress == Self.host + 0xff0)
  }

  @Test func nothingOutsideOrAcrossIsGiven() {
    let regions = GuestRegions([
      GuestRegion(range: 0x1000..<0x2000, host: Self.host, isWritable: true),
      GuestRegion(range: 0x2000..<0x3000, host: Self.host + 0x2000, isWritable: true),
      GuestRegion(range: 0x3000..<0x4000, host: Self.host + 0x3000, isWritable: false),
    ])
    #expect(regions.readable(0x1ff0, count: 0x20) == nil)
    #expect(regions.readable(0x1ff0, count: 0x10) != nil)
    #expect(regions.writable(0x3000, count: 1) == nil)
    #expect(regions.readable(0x3fff, count: 1) != nil)
    #expect(regions.readable(0x4000, count: 0) == nil)
    #expect(regions.readable(0xfff, count: 1) == nil)
    #expect(regions.readable(0x1000, count: .max) == nil)
    #expect(regions.readable(.max, count: 1) == nil)
    #expect(regions.readable(0x1000, count: -1) == nil)
  }
}
