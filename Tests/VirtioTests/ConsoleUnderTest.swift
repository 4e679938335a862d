import CLinux
import KVM

@testable import Virtio

/// A console with its driver, and what is on the other ends of its descriptors.
final class ConsoleUnderTest {
  let loop = DeviceLoop(startsThread: false)
  let device: ConsoleDevice
  let driver: MockDriver
  /// What says to the device that the machine is to stop.
  let stopFlag: UnsafeMutablePointer<UInt8>

  var receiveQueue: MockQueue { driver.queues[0] }
  var transmitQueue: MockQueue { driver.queues[1] }
  var memory: GuardedMemory { driver.memory }

  /// - Parameter starts: whether the driver does.
  init(input: Int32 = -1, output: Int32 = -1, starts: Bool = true) throws {
    stopFlag = .allocate(capacity: 1)
    stopFlag.pointee = 0
    device = ConsoleDevice(input: input, output: output, loop: loop, stopFlag: stopFlag)
    driver = MockDriver(device, loop: loop)
    device.configurationChanged = { [unowned driver] in driver.transport.configurationChanged() }
    if starts { try driver.start() }
  }

  deinit {
    stopFlag.deallocate()
  }

  /// Gives the device buffers for input, one after the other in memory, and says so; returns where they are.
  @discardableResult
  func giveBuffers(_ counts: [Int]) -> UInt64 {
    let address = memory.allocate(counts.reduce(0, +))
    var next = address
    for count in counts {
      receiveQueue.add([.writable(next, count)])
      next += UInt64(count)
    }
    receiveQueue.kick()
    return address
  }

  /// What came as input since the last time, each buffer by itself.
  func received() -> [Int] { receiveQueue.collect().map { Int($0.count) } }

  /// As `received`, of input that is to come: a terminal says now and then that it has some, and then has none yet.
  func awaitReceived() -> [Int] {
    while loop.poll(timeout: patience) > 0 {
      let counts = received()
      if !counts.isEmpty { return counts }
    }
    return []
  }

  /// Queues output without a word to the device.
  func queueOutput(_ pieces: [[UInt8]]) {
    transmitQueue.add(
      pieces.map {
        let address = memory.allocate($0.count)
        memory.store($0, at: address)
        return .readable(address, $0.count)
      })
  }

  var isWritten: Bool {
    if case .written = device.delivery { true } else { false }
  }
  var isClosed: Bool {
    if case .closed = device.delivery { true } else { false }
  }
  var isStopped: Bool {
    if case .stopped = device.delivery { true } else { false }
  }
}

/// How many bytes wait in a pipe, socket or terminal to which some were written: a terminal takes a moment to have them.
func waitingBytes(_ descriptor: Int32) -> Int {
  var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
  poll(&polled, 1, patience)
  var count: Int32 = -1
  _ = linux_ioctl_pointer(descriptor, UInt(FIONREAD), &count)
  return Int(count)
}

/// Milliseconds for what comes at once, or is taken to be broken.
let patience: Int32 = 30_000
