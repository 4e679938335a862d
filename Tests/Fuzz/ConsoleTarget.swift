import CLinux

@testable import Virtio

/// Requests of a hostile driver to the console, with input that comes and ends at any time.
let consoleTarget = FuzzTarget(name: "console") { bytes in
  var input = FuzzInput(bytes)
  let ends = ConsoleEnds.shared
  let choice = input.next(UInt8.self)
  ends.prepare(
    output: choice & 3 == 0 ? .broken : choice & 3 == 1 ? .full : .file, isFileInput: choice & 12 == 12)
  let loop = DeviceLoop(startsThread: false)
  let device = ConsoleDevice(input: ends.input, output: ends.output, loop: loop, stopFlag: ends.stopFlag)
  let driver = HostileDriver(device)
  driver.start(&input)
  while !input.isAtEnd {
    let kind = input.next(below: HostileDriver.stepCount + 5)
    switch kind - HostileDriver.stepCount {
    case 0, 1: ends.provide(input.take(input.next(below: 32)))
    case 2: loop.poll(timeout: 0)
    case 3: device.drainTransmit()
    case 4: if input.next(below: 8) == 0 { ends.endInput() }
    default: driver.step(kind, &input)
    }
    driver.checkPage()
  }
  driver.end()
  loop.end()
  ends.finish()
}

/// What is on the other side of a console.
private final class ConsoleEnds: @unchecked Sendable {
  enum Output {
    /// Takes everything.
    case file
    /// A pipe that nobody reads any more.
    case broken
    /// A pipe that takes nothing, while the machine is to stop.
    case full
  }

  static let shared = ConsoleEnds()

  let stopFlag = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
  private(set) var input: Int32 = -1
  private(set) var output: Int32 = -1
  private var inputWriter: Int32 = -1
  private let file = openMemoryFile()
  private let inputFile = openMemoryFile()
  private let broken: Int32
  private let full: Int32
  private let fullReader: Int32

  private init() {
    _ = linux_ignore_signal(SIGPIPE)
    let brokenPipe = openPipe()
    close(brokenPipe.reader)
    broken = brokenPipe.writer
    let fullPipe = openPipe()
    (full, fullReader) = (fullPipe.writer, fullPipe.reader)
    var pattern = [UInt8](repeating: 0, count: 4096)
    var room = pollfd(fd: full, events: Int16(POLLOUT), revents: 0)
    while poll(&room, 1, 0) == 1 { require(write(full, &pattern, pattern.count) > 0, "a pipe") }
  }

  func prepare(output kind: Output, isFileInput: Bool) {
    stopFlag.pointee = 0
    switch kind {
    case .file:
      require(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0, "a file")
      output = file
    case .broken: output = broken
    case .full:
      stopFlag.pointee = 1
      output = full
    }
    if isFileInput {
      require(ftruncate(inputFile, 0) == 0 && lseek(inputFile, 0, SEEK_SET) == 0, "a file")
      input = inputFile
    } else {
      (input, inputWriter) = openPipe()
    }
  }

  func provide(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    if input == inputFile {
      require(pwrite(inputFile, start, bytes.count, lseek(inputFile, 0, SEEK_CUR)) == bytes.count, "a file")
      return
    }
    // All inputs of a run together are smaller than what a pipe takes.
    if inputWriter >= 0 { require(write(inputWriter, start, bytes.count) == bytes.count, "a pipe") }
  }

  func endInput() {
    if inputWriter >= 0 { close(inputWriter) }
    inputWriter = -1
  }

  func finish() {
    endInput()
    if input != inputFile { close(input) }
  }
}

private func openPipe() -> (reader: Int32, writer: Int32) {
  var ends: [Int32] = [-1, -1]
  require(pipe(&ends) == 0, "a pipe")
  return (ends[0], ends[1])
}
