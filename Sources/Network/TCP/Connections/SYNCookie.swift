/// SYN cookies (Bernstein; RFC 4987, 3.6): a handshake that is remembered by the peer, in the sequence number and the timestamp
/// that it gives back. Stops: a SYN flood that has filled `TCPLimits.halfOpenCount` from keeping others out.
///
/// The sequence number has 5 bits of a clock, 3 bits for the peer's MSS, and 24 bits of a keyed hash: a forger needs as many
/// attempts, within two minutes. A timestamp's low bits have what else was agreed on.
struct SYNCookie {
  let random: NetworkRandom

  /// What a cookie can say of the peer's MSS: what is common. In ascending order.
  private static let segmentByteCounts: [Int] = [128, 536, 1220, 1360, 1400, 1440, 1460, 8940]
  private static let periodMilliseconds: UInt64 = 64_000
  private static let noWindowScale: UInt32 = 15
  private static let permitsSACKBit: UInt32 = 16
  private static let timestampBits: UInt32 = 31

  /// How long after a cookie was sent its answer is taken.
  static let lifetimeMilliseconds = 2 * Int(periodMilliseconds)

  func sequence(for key: ConnectionKey, peerSequence: UInt32, terms: HandshakeTerms, at now: NetworkInstant) -> UInt32 {
    let index = Self.segmentByteCounts.lastIndex { $0 <= terms.peerSegmentByteCount } ?? 0
    let period = now.nanoseconds / 1_000_000 / Self.periodMilliseconds
    return compose(key, peerSequence, period, UInt32(index), hasTimestamps: terms.peerTimestamp != nil)
  }

  /// The timestamp of the SYN+ACK: the clock's, with less resolution.
  func timestamp(_ clock: UInt32, terms: HandshakeTerms) -> UInt32 {
    let scale = terms.peerWindowScale.map { UInt32($0) } ?? Self.noWindowScale
    return clock & ~Self.timestampBits | scale | (terms.permitsSACK ? Self.permitsSACKBit : 0)
  }

  /// What was agreed on, by the acknowledgement that completes the handshake; nil: that was never sent. Whether timestamps were
  /// is in the hash, not in whether the acknowledgement has one.
  func terms(
    of header: TCPHeader, for key: ConnectionKey, at now: NetworkInstant
  ) -> HandshakeTerms? {
    let sequence = header.acknowledgement &- 1
    let index = sequence >> 24 & 7
    let period = now.nanoseconds / 1_000_000 / Self.periodMilliseconds
    func isKnown(hasTimestamps: Bool) -> Bool {
      [period, period &- 1].contains {
        compose(key, header.sequence &- 1, $0, index, hasTimestamps: hasTimestamps) == sequence
      }
    }
    var terms = HandshakeTerms(
      peerSegmentByteCount: Self.segmentByteCounts[Int(index)], peerWindowScale: nil, permitsSACK: false,
      peerTimestamp: nil)
    guard isKnown(hasTimestamps: true) else { return isKnown(hasTimestamps: false) ? terms : nil }
    terms.peerTimestamp = header.options.timestamp?.value ?? 0
    if let echo = header.options.timestamp?.echo {
      let scale = echo & Self.noWindowScale
      terms.peerWindowScale = scale == Self.noWindowScale ? nil : UInt8(scale)
      terms.permitsSACK = echo & Self.permitsSACKBit != 0
    }
    return terms
  }

  private func compose(
    _ key: ConnectionKey, _ peerSequence: UInt32, _ period: UInt64, _ index: UInt32, hasTimestamps: Bool
  ) -> UInt32 {
    let hash = random.hash(
      key.secureHash(random, HashPurpose.cookie), period,
      UInt64(peerSequence) << 8 | (hasTimestamps ? 128 : 0) | UInt64(index))
    return UInt32(period & 31) << 27 | index << 24 | UInt32(truncatingIfNeeded: hash) & 0xff_ffff
  }
}
