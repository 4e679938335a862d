import MachineABI

/// The driver of a virtio entropy device (virtio-1.2 §5.4), which asks for a seed from time to time.
final class EntropyDriver<Page: RegisterPage>: QueueDriver<Page> {
  /// A key of the generator.
  static var seedSize: Int { 32 }
  /// How many bytes the generator may give before it gets the next seed.
  static var reseedInterval: Int { 1 << 20 }

  private let buffer: UnsafeMutableRawBufferPointer
  /// The bytes of a seed that have arrived; a device may give fewer than it was asked for (virtio-1.2 §5.4.6.2).
  private var arrived = 0
  private var given = 0
  private let reseed: (UnsafeRawBufferPointer) -> Void

  /// Takes an entropy device into use.
  ///
  /// - Parameter reseed: is given each seed.
  static func open(
    _ device: DeviceRecord, page: Page, reseed: @escaping (UnsafeRawBufferPointer) -> Void
  ) throws(DeviceError) -> EntropyDriver {
    let registers = VirtioRegisters(page: page, device: device)
    let features = try registers.negotiate(wanted: feature(VIRTIO_F_EVENT_IDX))
    // One request at a time.
    let size = try registers.sizeOfQueue(0, wanted: 2)
    let driver = EntropyDriver(registers: registers, features: features, queueSize: size, reseed: reseed)
    driver.start()
    return driver
  }

  private init(
    registers: VirtioRegisters<Page>, features: UInt64, queueSize: UInt16,
    reseed: @escaping (UnsafeRawBufferPointer) -> Void
  ) {
    buffer = .allocate(byteCount: Self.seedSize, alignment: 16)
    self.reseed = reseed
    super.init(registers: registers, features: features, queueSize: queueSize)
  }

  /// Only for a driver whose device is gone.
  deinit { buffer.deallocate() }

  /// Asks for a seed, unless that was done already.
  func requestSeed() {
    guard queue.inFlightCount == 0 else { return }
    let segment = DriverQueue.Segment(
      address: UInt64(UInt(bitPattern: buffer.baseAddress)) + UInt64(arrived),
      byteCount: UInt32(buffer.count - arrived), isWritable: true)
    let segments: InlineArray<1, DriverQueue.Segment> = [segment]
    _ = queue.add(segments.span)
  }

  /// The generator has given this many bytes more.
  func generatorGave(_ count: Int) {
    given &+= count
    if given >= Self.reseedInterval { requestSeed() }
  }

  override func completed(_ completion: DriverQueue.Completion) {
    arrived += Int(completion.written)
    guard arrived == buffer.count else {
      // A device that gives nothing is not asked again before the generator's next use.
      if completion.written > 0 { requestSeed() }
      return
    }
    reseed(UnsafeRawBufferPointer(buffer))
    // Nobody else shall read it here.
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    arrived = 0
    given = 0
  }

  /// No task waits for a seed.
  override var isAwaited: Bool { false }
}
