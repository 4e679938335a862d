import MachineABI

/// A disk: a sequence of bytes that outlive the machine, read and written in multiples of 512.
///
/// Many tasks may have many requests under way at once; requests are not ordered among each other, and overlapping ones
/// are the application's to avoid. A request that finds the device's queue full waits for its turn, first come, first
/// served.
///
/// The data move straight between the device and the caller's buffer. So cancelling a task does not cut a request short:
/// every call returns when the device is done with it, and not before.
///
/// In the hosted build a device is a file, which the environment variable NEEDLETAIL_BLOCK names: "data=PATH", or
/// "data=PATH,ro" to only read it; several are separated by colons.
public struct BlockDevice: Sendable {
  #if hasFeature(Embedded)
    // One processor, no preemption: see `DeviceDriver`.
    private nonisolated(unsafe) let backend: BlockDriver<MappedRegisterPage>
  #else
    private let backend: BlockFile
  #endif

  /// The name under which the image declares it.
  public let name: String

  /// Opens a block device. Opening it again gives the same device.
  ///
  /// - Parameter name: the name under which the image declares it.
  public init(_ name: String) throws(DeviceError) {
    #if hasFeature(Embedded)
      self.name = name
      let device = try DeviceTable.attached.device(named: name, kind: UInt32(VIRTIO_ID_BLOCK))
      if let driver = EventLoop.devices.driver(of: device) {
        // A register page belongs to one device, and its kind says which driver that has.
        backend = unsafeDowncast(driver, to: BlockDriver<MappedRegisterPage>.self)
      } else {
        backend = try BlockDriver.open(device, page: MappedRegisterPage(device))
        EventLoop.devices.append(backend)
      }
    #else
      try self.init(name, declarations: BlockFile.environment)
    #endif
  }

  #if !hasFeature(Embedded)
    init(_ name: String, declarations: String) throws(DeviceError) {
      self.name = name
      backend = try BlockFile(name, declarations: declarations)
    }
  #endif

  /// The capacity in bytes.
  public var byteCount: UInt64 { backend.geometry.byteCount }

  /// The device's own unit in bytes, a power of two of at least 512. Writing less costs the device more.
  public var sectorSize: Int { backend.geometry.sectorSize }

  /// Whether everything that would change it fails.
  public var isReadOnly: Bool { backend.geometry.isReadOnly }

  /// Whether `discard` does anything.
  public var canDiscard: Bool { backend.geometry.discardSectors > 0 }

  /// Fills a buffer from the device.
  ///
  /// - Parameters:
  ///   - offset: where to begin, in bytes; a multiple of 512.
  ///   - buffer: its length is a multiple of 512. When this throws, its contents are undefined.
  public nonisolated(nonsending) func read(
    at offset: UInt64, into buffer: inout MutableRawSpan
  ) async throws(BlockError) {
    // The address leaves the closure, because the device goes on after it. What a span names stays in its place as long as
    // the span is used, and without another use that would be until here: the compiler may end what it depends on before
    // the suspension does.
    defer { extendLifetime(buffer) }
    let address = buffer.withUnsafeMutableBytes { UInt(bitPattern: $0.baseAddress) }
    try await transfer(.read, address, offset, UInt64(buffer.byteCount))
  }

  /// Writes a buffer to the device. What was written survives the machine from the next `flush` on.
  ///
  /// - Parameters:
  ///   - offset: where to begin, in bytes; a multiple of 512.
  ///   - bytes: its length is a multiple of 512. When this throws, any part of it may have been written.
  public nonisolated(nonsending) func write(at offset: UInt64, _ bytes: RawSpan) async throws(BlockError) {
    // As in `read`.
    defer { extendLifetime(bytes) }
    let address = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    try await transfer(.write, address, offset, UInt64(bytes.byteCount))
  }

  /// Returns when everything whose `write` had returned before is on stable storage.
  public nonisolated(nonsending) func flush() async throws(BlockError) {
    // A device without this command keeps nothing back (virtio-1.2 §5.2.6.2).
    guard backend.geometry.canFlush else { return }
    try await perform(.flush, 0, 0, 0)
  }

  /// Says that the contents of a range are not needed any more; what it reads as afterwards is undefined.
  ///
  /// - Parameter range: in bytes; both bounds are multiples of 512.
  public nonisolated(nonsending) func discard(_ range: Range<UInt64>) async throws(BlockError) {
    try await transfer(.discard, 0, range.lowerBound, range.upperBound - range.lowerBound)
  }

  /// Makes a range read as zeros, faster than by writing them; it stays allocated.
  ///
  /// - Parameter range: in bytes; both bounds are multiples of 512.
  public nonisolated(nonsending) func writeZeroes(_ range: Range<UInt64>) async throws(BlockError) {
    try await transfer(.writeZeroes, 0, range.lowerBound, range.upperBound - range.lowerBound)
  }

  /// What the device calls itself, up to 20 bytes (virtio-1.2 §5.2.6.1).
  public nonisolated(nonsending) func serial() async throws(BlockError) -> String {
    let size = Int(VIRTIO_BLK_ID_BYTES)
    // Not an array, whose storage would have to be pinned across the suspension.
    nonisolated(unsafe) let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
    defer { bytes.deallocate() }
    try await perform(.identify, UInt(bitPattern: bytes.baseAddress), 0, UInt64(size))
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  private nonisolated(nonsending) func transfer(
    _ operation: BlockError.Operation, _ memory: UInt, _ offset: UInt64, _ count: UInt64
  ) async throws(BlockError) {
    if let reason = backend.geometry.objection(to: operation, offset: offset, byteCount: count) {
      throw BlockError(operation: operation, device: name, offset: offset, byteCount: count, reason: reason)
    }
    guard count > 0 else { return }
    try await perform(operation, memory, offset, count)
  }

  private nonisolated(nonsending) func perform(
    _ operation: BlockError.Operation, _ memory: UInt, _ offset: UInt64, _ count: UInt64
  ) async throws(BlockError) {
    guard let failure = await backend.perform(operation, memory: UInt64(memory), offset: offset, byteCount: count)
    else { return }
    throw BlockError(
      operation: operation, device: name, offset: failure.offset, byteCount: failure.byteCount, reason: failure.reason)
  }
}

extension BlockDevice {
  /// Fills an array from the device; see `read(at:into:)`.
  public nonisolated(nonsending) func read(at offset: UInt64, into bytes: inout [UInt8]) async throws(BlockError) {
    var elements = bytes.mutableSpan
    var span = elements.mutableBytes
    try await read(at: offset, into: &span)
  }

  /// Writes an array to the device; see `write(at:_:)`.
  public nonisolated(nonsending) func write(at offset: UInt64, _ bytes: [UInt8]) async throws(BlockError) {
    try await write(at: offset, bytes.span.bytes)
  }
}
