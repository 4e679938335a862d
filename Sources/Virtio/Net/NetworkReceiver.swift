import MachineABI

/// Moves frames from a backend straight into the buffers that the driver gave (virtio-1.2 §5.1.6.4).
///
/// How long a frame is, only reading it tells. So buffers for the longest are taken from the queue before, and those that
/// a shorter one leaves over wait for the next.
struct NetworkReceiver: ~Copyable {
  /// The most frames of one turn. Without it, a flood of frames would keep the lock that all devices share, and a driver that
  /// gives its buffers back at once would never see the others served.
  static let turnLimit = 64
  /// And about how many bytes, so that the driver goes on with long frames while the next ones are copied.
  static let turnByteLimit: UInt64 = 256 << 10

  /// Why a turn ended.
  enum Outcome {
    /// There are no more frames now.
    case noFrames
    /// There is no room: the driver has to give buffers first.
    case noBuffers
    /// As many frames as one turn may have.
    case moreFrames
    case failed(NetworkBackendError)
  }

  private struct Buffer {
    var head: UInt16
    var pieceCount: Int
    var byteCount: Int
  }

  /// Whether a frame may lie in several buffers (VIRTIO_NET_F_MRG_RXBUF).
  private let mergesBuffers: Bool
  /// Whether flags of the backend's headers may go to the driver (VIRTIO_NET_F_GUEST_CSUM; §5.1.6.4.1).
  private let passesFlags: Bool
  /// Which segments that are longer than the link takes may go to the driver (VIRTIO_NET_F_GUEST_TSO4 and 6).
  private let passesIPv4Segments: Bool
  private let passesIPv6Segments: Bool
  /// The longest frame that can come, with its header, in bytes.
  private let frameLimit: Int
  /// Whether the driver has given room for the longest frame at one time. Then it will again, and it is waited for; else a
  /// frame that does not fit is lost.
  private var hasGivenRoom = false

  // The buffers that wait, in the order in which they were given, from `firstBuffer` and `firstPiece` on.
  private var buffers: [Buffer] = []
  private var firstBuffer = 0
  private var pieces: [UnsafeMutableRawBufferPointer] = []
  private var firstPiece = 0
  private var byteCount = 0
  private var chain = DescriptorChain()
  private var vectors = FrameVectors()

  /// - Parameters:
  ///   - features: what was negotiated.
  ///   - packetLimit: the most bytes of a packet that was not put together from several.
  init(features: UInt64, packetLimit: Int) {
    mergesBuffers = features & feature(VIRTIO_NET_F_MRG_RXBUF) != 0
    passesFlags = features & feature(VIRTIO_NET_F_GUEST_CSUM) != 0
    passesIPv4Segments = features & feature(VIRTIO_NET_F_GUEST_TSO4) != 0
    passesIPv6Segments = features & feature(VIRTIO_NET_F_GUEST_TSO6) != 0
    frameLimit =
      MemoryLayout<virtio_net_hdr>.size + NetworkFrame.headerLimit
      + (passesIPv4Segments || passesIPv6Segments ? max(packetLimit, NetworkFrame.packetLimit) : packetLimit)
  }

  /// Receives frames until there is no more of them or of buffers, or the turn is over. Who calls notifies the driver.
  mutating func receive(
    from backend: any NetworkBackend, into queue: Virtqueue, counters: inout NetworkCounters,
    capture: PacketCapture?
  ) -> Outcome {
    let end = counters.receivedBytes + Self.turnByteLimit
    for _ in 0..<Self.turnLimit where counters.receivedBytes < end {
      guard takeBuffers(from: queue) else { return .noBuffers }
      listPieces(skipping: backend.hasHeaders ? 0 : MemoryLayout<virtio_net_hdr>.size)
      switch backend.receive(into: &vectors) {
      case .frame(let count):
        deliver(count, hasHeader: backend.hasHeaders, to: queue, counters: &counters, capture: capture)
      case .dropped: counters.lostReceives += 1
      case .nothing: return .noFrames
      case .failed(let error): return .failed(error)
      }
    }
    return .moreFrames
  }

  /// Takes buffers as far as the longest frame needs them; returns whether a frame may be read.
  mutating func takeBuffers(from queue: Virtqueue) -> Bool {
    guard !queue.isBroken else { return false }
    while isWanting, queue.takeNext(into: &chain) {
      guard chain.readable.isEmpty else {
        queue.fail("network: a receive buffer that is not for writing alone")
        return false
      }
      var count = 0
      for piece in chain.writable { count += piece.count }
      // §5.1.6.3.1
      guard count >= MemoryLayout<virtio_net_hdr>.size else {
        queue.fail("network: a receive buffer without room for a header")
        return false
      }
      buffers.append(Buffer(head: chain.head, pieceCount: chain.writable.count, byteCount: count))
      pieces.append(contentsOf: chain.writable)
      byteCount += count
    }
    guard !queue.isBroken, firstBuffer < buffers.count else { return false }
    if !isWanting { hasGivenRoom = true }
    return !isWanting || !hasGivenRoom
  }

  /// Whether more buffers would let longer frames in.
  private var isWanting: Bool {
    guard firstBuffer < buffers.count else { return true }
    return mergesBuffers && byteCount < frameLimit && pieces.count - firstPiece < FrameVectors.capacity
  }

  private mutating func listPieces(skipping skipped: Int) {
    vectors.removeAll()
    let end = mergesBuffers ? pieces.count : firstPiece + buffers[firstBuffer].pieceCount
    var index = firstPiece
    while index < end, vectors.byteCount < frameLimit, !vectors.isFull {
      vectors.append(pieces[index])
      index += 1
    }
    vectors.removeFirst(skipped)
  }

  /// Gives the driver the buffers that a frame lies in.
  private mutating func deliver(
    _ count: Int, hasHeader: Bool, to queue: Virtqueue, counters: inout NetworkCounters, capture: PacketCapture?
  ) {
    let headerSize = MemoryLayout<virtio_net_hdr>.size
    let total = hasHeader ? count : count + headerSize
    guard total >= headerSize + NetworkFrame.shortest, !hasHeader || isForDriver else {
      counters.lostReceives += 1
      return
    }
    if let capture { record(total, in: capture) }
    var used = 0
    var left = total
    while left > 0 {
      left -= min(left, buffers[firstBuffer + used].byteCount)
      used += 1
    }
    writeHeader(bufferCount: used, isNew: !hasHeader)
    left = total
    for _ in 0..<used {
      let buffer = buffers[firstBuffer]
      let written = min(left, buffer.byteCount)
      queue.prepareUsed(head: buffer.head, written: UInt32(written))
      left -= written
      removeFirstBuffer()
    }
    // Together: a driver may look at a frame as soon as it sees its first buffer.
    queue.publishUsed()
    counters.receivedFrames += 1
    counters.receivedBytes += UInt64(total - headerSize)
  }

  /// Whether the frame that was read is of a kind that the driver takes. One that came before the backend knew the driver may not
  /// be (§5.1.6.4.1: without VIRTIO_NET_F_GUEST_TSO4 "the device MUST NOT set gso_type to VIRTIO_NET_HDR_GSO_TCPV4", and so on).
  private var isForDriver: Bool {
    let place = place(of: Self.segmentKindOffset)
    return switch Int32(pieces[place.piece][place.offset]) {
    case VIRTIO_NET_HDR_GSO_NONE: true
    case VIRTIO_NET_HDR_GSO_TCPV4: passesIPv4Segments
    case VIRTIO_NET_HDR_GSO_TCPV6: passesIPv6Segments
    default: false
    }
  }

  /// Of the field `gso_type` of struct virtio_net_hdr (§5.1.6).
  private static let segmentKindOffset = 1

  /// Where a byte of the first buffer is, which has room for a header.
  private func place(of offset: Int) -> (piece: Int, offset: Int) {
    var piece = firstPiece
    var offset = offset
    while offset >= pieces[piece].count {
      offset -= pieces[piece].count
      piece += 1
    }
    return (piece, offset)
  }

  /// Writes what of the header is the device's own: all of it, or what the kernel does not know.
  private func writeHeader(bufferCount: Int, isNew: Bool) {
    var header = virtio_net_hdr()
    // 1 where buffers are not merged (§5.1.6.4.1).
    header.num_buffers = UInt16(bufferCount)
    let countOffset = MemoryLayout<virtio_net_hdr>.size - MemoryLayout<UInt16>.size  // the last field
    withUnsafeBytes(of: header) { bytes in
      if isNew { return write(bytes, at: 0) }
      // "If VIRTIO_NET_F_GUEST_CSUM was not negotiated, the device MUST set flags to zero" (§5.1.6.4.1).
      if !passesFlags { write(UnsafeRawBufferPointer(rebasing: bytes[..<1]), at: 0) }
      write(UnsafeRawBufferPointer(rebasing: bytes[countOffset...]), at: countOffset)
    }
  }

  /// Writes to the first buffer, which has room for a header.
  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    for (index, byte) in bytes.enumerated() {
      let place = place(of: offset + index)
      pieces[place.piece][place.offset] = byte
    }
  }

  private mutating func record(_ total: Int, in capture: PacketCapture) {
    listPieces(skipping: MemoryLayout<virtio_net_hdr>.size)
    vectors.keepFirst(total - MemoryLayout<virtio_net_hdr>.size)
    capture.record(vectors)
  }

  private mutating func removeFirstBuffer() {
    let buffer = buffers[firstBuffer]
    firstBuffer += 1
    firstPiece += buffer.pieceCount
    byteCount -= buffer.byteCount
    // What is in front is moved out now and then, not with every frame.
    guard firstBuffer == buffers.count || firstBuffer >= Self.turnLimit else { return }
    buffers.removeFirst(firstBuffer)
    pieces.removeFirst(firstPiece)
    firstBuffer = 0
    firstPiece = 0
  }
}
