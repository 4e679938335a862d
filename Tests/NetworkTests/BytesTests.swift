import Testing

@testable import Network

@Suite struct BytesTests {
  @Test func integersAreReadInNetworkOrder() {
    let bytes: [UInt8] = [0x12, 0x34, 0x56, 0x78, 0x9a]
    let span = bytes.span.bytes
    #expect(span.load(1, as: UInt16.self) == 0x3456)
    #expect(span.load(1, as: UInt32.self) == 0x3456_789a)
  }

  /// The example of RFC 1071, section 3.
  @Test func checksumOfTheStandard() {
    let bytes: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
    var checksum = InternetChecksum()
    checksum.add(bytes.span.bytes)
    #expect(checksum.partial == 0xddf2)
  }

  @Test func checksumOfAnOddNumberOfBytes() {
    let bytes: [UInt8] = [0x01, 0x02, 0x03]
    var checksum = InternetChecksum()
    checksum.add(bytes.span.bytes)
    #expect(checksum.partial == 0x0402)
  }
}
