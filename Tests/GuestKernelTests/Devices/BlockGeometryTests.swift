import Testing

@testable import GuestKernel

@Suite struct BlockGeometryTests {
  @Test func objections() {
    var geometry = BlockGeometry(byteCount: 8192)
    #expect(geometry.objection(to: .read, offset: 0, byteCount: 8192) == nil)
    #expect(geometry.objection(to: .read, offset: 8192, byteCount: 0) == nil)
    #expect(geometry.objection(to: .read, offset: 8192, byteCount: 512) == .outOfRange)
    #expect(geometry.objection(to: .read, offset: 7680, byteCount: 1024) == .outOfRange)
    #expect(geometry.objection(to: .read, offset: .max - 511, byteCount: 1024) == .outOfRange)
    #expect(geometry.objection(to: .read, offset: 1, byteCount: 512) == .misaligned)
    #expect(geometry.objection(to: .write, offset: 0, byteCount: 511) == .misaligned)
    #expect(geometry.objection(to: .discard, offset: 0, byteCount: 512) == .unsupported)
    geometry.discardSectors = 1
    #expect(geometry.objection(to: .discard, offset: 0, byteCount: 512) == nil)
    geometry.isReadOnly = true
    #expect(geometry.objection(to: .write, offset: 0, byteCount: 512) == .readOnly)
    #expect(geometry.objection(to: .discard, offset: 0, byteCount: 512) == .readOnly)
    #expect(geometry.objection(to: .writeZeroes, offset: 0, byteCount: 512) == .readOnly)
    #expect(geometry.objection(to: .read, offset: 0, byteCount: 512) == nil)
  }
}
