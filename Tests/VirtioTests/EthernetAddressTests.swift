import Testing

@testable import Virtio

@Suite struct EthernetAddressTests {
  @Test(arguments: ["02:00:00:00:00:01", "fe:DC:ba:98:76:54", "00:00:00:00:00:01"]) func addresses(text: String) throws
  {
    let address = try #require(EthernetAddress(text))
    let digits = (0..<6).map { index in
      let byte = String(address.bytes[index], radix: 16)
      return byte.count == 1 ? "0" + byte : byte
    }
    #expect(digits.joined(separator: ":") == text.lowercased())
  }

  @Test(arguments: [
    "", "02", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:1", "02:00:00:00:00:0g", "02-00-00-00-00-01",
    "020000000001", "02:00:00:00:00:01 ", "+2:00:00:00:00:01",
    // A group's, everybody's, nobody's.
    "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00",
  ]) func others(text: String) {
    #expect(EthernetAddress(text) == nil)
  }

  @Test func thoseMadeAreNobodys() {
    for names in [[], ["net", "tap", "tap0"]] {
      #expect(EthernetAddress(madeFrom: names).bytes[0] & 3 == 2)
    }
  }

  @Test func theSameNamesHaveTheSame() {
    let address = EthernetAddress(madeFrom: ["net", "tap", "tap0"])
    #expect(address == EthernetAddress(madeFrom: ["net", "tap", "tap0"]))
    #expect(address != EthernetAddress(madeFrom: ["net", "tap", "tap1"]))
    #expect(address != EthernetAddress(madeFrom: ["nett", "ap", "tap0"]))
    #expect(EthernetAddress(madeFrom: []) != EthernetAddress(madeFrom: []))
  }
}
