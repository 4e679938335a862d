import MachineABI

// The console's input: in an image that of the console device that it declares, in the hosted build standard input.
extension Console {
  /// The greatest length of a line, in bytes of UTF-8; a longer one comes in pieces.
  public static var maximumLineLength: Int { 65536 }

  /// Waits for a line.
  ///
  /// On a terminal the line can be edited: backspace takes back a character, ^U the line, and ^D in an empty line ends the
  /// input. An image that calls this without declaring a console ends with a panic.
  ///
  /// - Returns: the line without its end (LF, CR or CR LF), malformed UTF-8 repaired; nil at the end of the input, or when
  ///   the task is cancelled, which loses no input.
  public static nonisolated(nonsending) func readLine() async -> String? {
    while !Task.isCancelled {
      switch takeLine() {
      case .line(let bytes): return String(decoding: bytes, as: UTF8.self)
      case .end: return nil
      case .nothing: await waitForInput()
      }
    }
    return nil
  }

  /// Waits for bytes as they are: no echo, no editing.
  ///
  /// - Parameter buffer: is filled from its start, as far as there is input; not empty.
  /// - Returns: how many bytes; 0 at the end of the input, or when the task is cancelled, which loses no input.
  public static nonisolated(nonsending) func read(into buffer: inout MutableRawSpan) async -> Int {
    while !Task.isCancelled {
      let (count, hasEnded) = buffer.withUnsafeMutableBytes { take(into: $0) }
      if count > 0 || hasEnded { return count }
      await waitForInput()
    }
    return 0
  }

  /// The lines of the input, to its end: `for await line in Console.lines`.
  public static var lines: Lines { Lines() }

  /// See `Console.lines`.
  public struct Lines: AsyncSequence, AsyncIteratorProtocol, Sendable {
    /// Reading the console does not fail; it ends.
    public typealias Failure = Never

    /// The next line, without its end; nil at the end of the input.
    public nonisolated(nonsending) mutating func next() async -> String? { await Console.readLine() }

    /// Itself: all who read share one input.
    public func makeAsyncIterator() -> Lines { self }
  }
}

#if hasFeature(Embedded)
  extension Console {
    /// What arrives on the console, whose driver is opened by whoever first wants input.
    private nonisolated(unsafe) static var input: ArrivedInput?

    private static func openedInput() -> ArrivedInput {
      if let input { return input }
      guard let device = DeviceTable.attached.device(ofKind: UInt32(VIRTIO_ID_CONSOLE)) else {
        panic("input was asked for, but the image declares no console")
      }
      do throws(DeviceError) {
        let opened = try open(device)
        input = opened
        return opened
      } catch {
        panic(error.description)
      }
    }

    private static func open(_ device: DeviceRecord) throws(DeviceError) -> ArrivedInput {
      guard !device.isSerial else {
        let driver = SerialConsoleDriver(device, source: SerialPort(), maximumLineLength: maximumLineLength)
        EventLoop.devices.append(driver)
        return driver.input
      }
      let driver = try ConsoleDriver.open(
        device, page: MappedRegisterPage(device), maximumLineLength: maximumLineLength)
      EventLoop.devices.append(driver)
      return driver.input
    }

    /// Whether somebody at a terminal is waiting for an answer: whether a prompt makes sense.
    public static var isInteractive: Bool { openedInput().lines.isTerminal }

    private static func takeLine() -> LineBuffer.Outcome {
      openedInput().lines.takeLine { echo in
        echo.withUnsafeBytes { write($0) }
        flush()
      }
    }

    private static func take(into bytes: UnsafeMutableRawBufferPointer) -> (count: Int, hasEnded: Bool) {
      let input = openedInput()
      let count = input.lines.take(into: bytes)
      return (count, input.lines.hasEnded)
    }

    private static nonisolated(nonsending) func waitForInput() async {
      await openedInput().wait()
    }
  }
#endif
