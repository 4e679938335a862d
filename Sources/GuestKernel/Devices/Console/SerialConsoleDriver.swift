import MachineABI

#if hasFeature(Embedded)
  import CGuestKernel
#endif

/// Where the bytes come from that arrive on a serial port. The seam between the driver and the machine.
protocol ByteSource: SendableMetatype {
  /// The next byte that has arrived; nil if there is none.
  func next() -> UInt8?
}

/// The input of a machine without a monitor and without a virtio console: a serial port, which interrupts when the first
/// byte arrives. Bytes stay in it until a task wants them, and whoever sends them waits.
///
/// A serial line has no end; ^D is one, wherever it stands.
final class SerialConsoleDriver<Source: ByteSource>: DeviceDriver {
  let input: ArrivedInput
  private let source: Source

  private static var endOfTransmission: UInt8 { 4 }

  /// - Parameter maximumLineLength: in bytes.
  init(_ device: DeviceRecord, source: Source, maximumLineLength: Int) {
    input = ArrivedInput(maximumLineLength: maximumLineLength, isTerminal: false)
    self.source = source
    super.init(device: device)
  }

  override func serve() {
    guard input.isAwaited else { return }
    var bytes = InlineArray<64, UInt8>(repeating: 0)
    var count = 0
    var hasEnded = false
    while count < 64, let byte = source.next() {
      hasEnded = byte == Self.endOfTransmission
      guard !hasEnded else { break }
      bytes[count] = byte
      count += 1
    }
    if count > 0 { bytes.span.withUnsafeBytes { input.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) } }
    if hasEnded { input.end() }
  }

  override func prepareToIdle() -> Idleness {
    guard input.isAwaited else { return .nobodyWaits }
    // What has arrived since the last look interrupts no more.
    serve()
    return input.isAwaited ? .awaitsInterrupt : .hasWork
  }
}

#if hasFeature(Embedded)
  /// The machine's serial port.
  struct SerialPort: ByteSource {
    func next() -> UInt8? {
      let value = needletail_control_read(bootInfo.pointee.control_page, UInt32(NEEDLETAIL_CONTROL_INPUT))
      return value == NEEDLETAIL_NO_INPUT ? nil : UInt8(truncatingIfNeeded: value)
    }
  }
#endif
