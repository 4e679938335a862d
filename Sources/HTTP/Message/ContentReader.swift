/// What comes in on a connection, and the body that is taken out of it.
struct ContentReader: ~Copyable {
  let channel: ByteChannel
  private let limits: SharedLimits
  /// What has come in. The bytes at its front are content as far as `contentCount` says.
  var input = ByteBuffer(firstCapacity: 1024)
  private(set) var decoder: BodyDecoder
  private var contentCount = 0
  /// How much of the present body came from the connection, and how long it took.
  private var receivedByteCount = 0
  private var waited = Duration.zero
  /// Nothing can be found in the input any more.
  private(set) var hasFailed = false

  init(_ channel: ByteChannel, _ limits: SharedLimits) {
    self.channel = channel
    self.limits = limits
    decoder = BodyDecoder(limits.values)
  }

  /// How much is read at once where there is more than a head.
  private static var readByteCount: Int { 16 << 10 }

  /// Whether all of the body was read.
  var isComplete: Bool { contentCount == 0 && decoder.isComplete }

  /// Takes what is in the input now for a body of this length.
  mutating func begin(_ length: BodyLength) throws(HTTPFault) {
    receivedByteCount = 0
    waited = .zero
    contentCount = 0
    try decoder.begin(length, limits.values)
  }

  /// Gives memory back that an unusually large body took.
  mutating func shrink() {
    input.shrink()
  }

  // MARK: Reading

  /// Waits for more input.
  ///
  /// - Returns: whether there is more; false at the end of the stream.
  nonisolated(nonsending) mutating func fill(timeout: Duration) async throws(HTTPError) -> Bool {
    let channel = channel
    channel.setTimeouts(read: timeout, write: limits.values.writeTimeout)
    var space = input.space
    let count = try await channel.read(into: &space)
    input.commit(count)
    return count > 0
  }

  /// Waits for the next part of the body.
  ///
  /// - Parameter buffer: not empty.
  /// - Returns: how many bytes there are in the buffer now; 0 at the end of the body.
  nonisolated(nonsending) mutating func read(into buffer: inout MutableRawSpan) async throws(HTTPError) -> Int {
    do throws(HTTPError) {
      if input.isEmpty, decoder.plainByteCount >= buffer.byteCount {
        try await sendContinue()
        return try await readPast(&buffer)
      }
      let byteCount = min(try await nextContent(), buffer.byteCount)
      buffer.copyToFront(input.bytes.extracting(0..<byteCount))
      takeContent(byteCount)
      return byteCount
    } catch {
      hasFailed = true
      throw error
    }
  }

  /// Waits for all that is left of the body.
  nonisolated(nonsending) mutating func collect(upTo limit: Int) async throws(HTTPError) -> [UInt8] {
    var bytes: [UInt8] = []
    do throws(HTTPError) {
      while true {
        let byteCount = try await nextContent()
        guard byteCount > 0 else { return bytes }
        guard byteCount <= limit - bytes.count else { throw .fault(.bodyTooLarge) }
        bytes.append(input.bytes.extracting(0..<byteCount))
        takeContent(byteCount)
      }
    } catch {
      hasFailed = true
      throw error
    }
  }

  /// Reads the rest of the body for nobody.
  ///
  /// - Returns: whether that was all of it, and no more than `limit`.
  nonisolated(nonsending) mutating func discard(upTo limit: Int) async throws(HTTPError) -> Bool {
    var room = limit
    while true {
      let byteCount = try await nextContent()
      guard byteCount > 0 else { return true }
      guard byteCount <= room else { return false }
      room -= byteCount
      takeContent(byteCount)
    }
  }

  private mutating func takeContent(_ byteCount: Int) {
    input.removeFirst(byteCount)
    contentCount -= byteCount
  }

  /// Waits until there is content at the front of the input.
  ///
  /// - Returns: how many bytes of it; 0 at the end of the body.
  private nonisolated(nonsending) mutating func nextContent() async throws(HTTPError) -> Int {
    while contentCount == 0 {
      var position = 0
      let piece: Range<Int>?
      do throws(HTTPFault) { piece = try decoder.next(input, &position) } catch { throw .fault(error) }
      if let piece {
        input.removeFirst(piece.lowerBound)
        contentCount = piece.count
        break
      }
      input.removeFirst(position)
      if decoder.isComplete { return 0 }
      try await sendContinue()
      input.reserve(max(1, min(Self.readByteCount, decoder.isPlain ? decoder.plainByteCount : .max)))
      let before = channel.now
      let countBefore = input.count
      guard try await fill(timeout: try timeout) else {
        guard decoder.endsWithConnection else { throw .fault(.incomplete) }
        return 0
      }
      note(input.count - countBefore, since: before)
    }
    return contentCount
  }

  /// Reads content that needs not be looked at straight into the caller's buffer.
  private nonisolated(nonsending) mutating func readPast(_ buffer: inout MutableRawSpan) async throws(HTTPError) -> Int
  {
    let before = channel.now
    channel.setTimeouts(read: try timeout, write: limits.values.writeTimeout)
    let byteCount = try await channel.read(into: &buffer)
    guard byteCount > 0 else {
      guard decoder.endsWithConnection else { throw .fault(.incomplete) }
      return 0
    }
    decoder.take(byteCount)
    note(byteCount, since: before)
    return byteCount
  }

  private mutating func note(_ byteCount: Int, since before: Duration) {
    receivedByteCount += byteCount
    waited += channel.now - before
  }

  /// How long the other side may take from now on; see `HTTPLimits.bodyTimeout`.
  private var timeout: Duration {
    get throws(HTTPError) {
      let earned = Duration.seconds(receivedByteCount / limits.values.bodyBytesPerSecond)
      let left = limits.values.bodyTimeout + earned - waited
      guard left > .zero else { throw .timedOut }
      return left
    }
  }

  /// Asks for the body, if the client waits for that (RFC 9110, 10.1.1).
  private nonisolated(nonsending) func sendContinue() async throws(HTTPError) {
    guard channel.owesContinue else { return }
    channel.owesContinue = false
    try await channel.write(Self.continueBytes.span.bytes)
  }

  private static let continueBytes = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
}
