/// The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of all 16-bit words.
struct InternetChecksum {
  private var sum: UInt64

  /// - Parameter sum: what was summed up before, as `partial` has it.
  init(_ sum: UInt16 = 0) {
    self.sum = UInt64(sum)
  }

  /// Adds bytes that begin at an even offset of what is summed up.
  mutating func add(_ bytes: RawSpan) {
    sum &+= bytes.sumOfWords()
    fold()
  }

  /// Adds one word.
  mutating func add(_ word: UInt16) {
    sum &+= UInt64(word)
  }

  /// Adds the pseudo-header of an upper-layer packet (RFC 9293, 3.1; RFC 8200, 8.1).
  ///
  /// - Parameters:
  ///   - length: of the upper-layer packet in bytes.
  ///   - number: the upper layer's protocol number.
  mutating func addPseudoHeader(from source: IPAddress, to destination: IPAddress, protocol number: UInt8, length: Int)
  {
    switch (source, destination) {
    case (.v4(let source), .v4(let destination)):
      add32(source.value)
      add32(destination.value)
    case (.v6(let source), .v6(let destination)):
      for word in [source.high, source.low, destination.high, destination.low] {
        add32(UInt32(truncatingIfNeeded: word >> 32))
        add32(UInt32(truncatingIfNeeded: word))
      }
    default: preconditionFailure("addresses of two families in one packet")
    }
    add32(UInt32(length))
    sum &+= UInt64(number)
    fold()
  }

  private mutating func add32(_ word: UInt32) {
    sum &+= UInt64(word >> 16) + UInt64(word & 0xffff)
  }

  private mutating func fold() {
    while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
  }

  /// The sum so far, not complemented: what a device that completes the checksum wants to find in the field.
  var partial: UInt16 {
    var folded = self
    folded.fold()
    return UInt16(folded.sum)
  }

  /// What goes into the field; over a packet that has its checksum in it, 0 says that it is right.
  var value: UInt16 { ~partial }
}
