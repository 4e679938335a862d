import MachineABI

/// Moves frames straight from the driver's buffers to a backend (virtio-1.2 §5.1.6.2).
struct NetworkTransmitter: ~Copyable {
  /// The most frames of one turn; see `NetworkReceiver.turnLimit`. What is left is the devices' thread's.
  static let turnLimit = 64

  /// Why a turn ended.
  enum Outcome {
    /// The driver has sent nothing more.
    case noFrames
    /// A frame waits for the backend, or as many have gone as one turn may have.
    case moreFrames
    case failed(NetworkBackendError)
  }

  private let check: TransmitCheck
  private var chain = DescriptorChain()
  private var vectors = FrameVectors()
  /// The header as it was checked: the driver may change its own meanwhile. Invariant: one value, valid as long as this is.
  private let header: UnsafeMutablePointer<virtio_net_hdr>
  /// Whether `chain` is a frame that did not go yet, of so many bytes without headers.
  private var waitingByteCount: Int?

  /// - Parameter features: what was negotiated.
  init(features: UInt64) {
    check = TransmitCheck(features: features)
    header = .allocate(capacity: 1)
    header.initialize(to: virtio_net_hdr())
  }

  deinit {
    header.deallocate()
  }

  /// Sends what the driver has queued. Who calls notifies the driver.
  ///
  /// - Parameter backend: nil for a link that is down: frames go nowhere.
  mutating func transmit(
    from queue: Virtqueue, to backend: (any NetworkBackend)?, counters: inout NetworkCounters, capture: PacketCapture?
  ) -> Outcome {
    for _ in 0..<Self.turnLimit {
      if waitingByteCount == nil {
        guard queue.takeNext(into: &chain) else { return .noFrames }
        guard chain.writable.isEmpty else {
          queue.fail("network: a transmit buffer that is for writing")
          return .noFrames
        }
        guard let backend, prepare() else {
          counters.refusedSends += 1
          queue.complete(head: chain.head, written: 0)
          continue
        }
        capture?.record(vectors)
        waitingByteCount = vectors.byteCount
        if backend.hasHeaders {
          vectors.prepend(UnsafeRawBufferPointer(start: header, count: MemoryLayout<virtio_net_hdr>.size))
        }
      }
      // The link went down while a frame waited.
      switch backend?.send(&vectors) ?? .refused {
      case .sent:
        counters.sentFrames += 1
        counters.sentBytes += UInt64(waitingByteCount ?? 0)
      case .refused: counters.refusedSends += 1
      case .full: return .moreFrames
      case .failed(let error): return .failed(error)
      }
      waitingByteCount = nil
      queue.complete(head: chain.head, written: 0)
    }
    return .moreFrames
  }

  /// The driver takes its memory back.
  mutating func stop(_ backend: (any NetworkBackend)?) {
    if waitingByteCount != nil { backend?.endSending(&vectors) }
    waitingByteCount = nil
  }

  /// Makes `vectors` the frame of `chain`, without its header; false if it is none.
  private mutating func prepare() -> Bool {
    vectors.removeAll()
    for piece in chain.readable {
      guard !vectors.isFull else { return false }
      vectors.append(piece)
    }
    guard vectors.byteCount >= MemoryLayout<virtio_net_hdr>.size else { return false }
    readHeader()
    vectors.removeFirst(MemoryLayout<virtio_net_hdr>.size)
    return check.accepts(&header.pointee, frameByteCount: vectors.byteCount)
  }

  /// Reads the header, once.
  private func readHeader() {
    var filled = 0
    let target = UnsafeMutableRawBufferPointer(start: header, count: MemoryLayout<virtio_net_hdr>.size)
    for piece in chain.readable where filled < target.count {
      let count = min(piece.count, target.count - filled)
      UnsafeMutableRawBufferPointer(rebasing: target[filled...]).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: piece[..<count]))
      filled += count
    }
  }
}
