import CLinux
import KVM
import MachineABI
import Testing

@testable import Virtio

/// What is in a capture's file, by the text of the format alone.
@Suite struct PacketCaptureTests {
  private struct Record: Equatable {
    var seconds: UInt32
    var nanoseconds: UInt32
    var frame: [UInt8]
  }

  private static func records(_ path: String) throws -> [Record] {
    let file = try FileDescriptor(opening: path, flags: O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: 8 << 20)
    let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    func word(_ offset: Int) -> UInt32 {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
    }
    try #require(count >= 24)
    // Nanoseconds, version 2.4, no correction, longest frame, Ethernet.
    #expect((0..<6).map { word(4 * $0) } == [0xa1b2_3c4d, 0x4_0002, 0, 0, 65553, 1])
    var records: [Record] = []
    var offset = 24
    while offset < count {
      let length = Int(word(offset + 8))
      #expect(word(offset + 12) == UInt32(length))
      try #require(offset + 16 + length <= count)
      records.append(
        Record(
          seconds: word(offset), nanoseconds: word(offset + 4),
          frame: [UInt8](bytes[(offset + 16)..<(offset + 16 + length)])))
      offset += 16 + length
    }
    return records
  }

  @Test func framesBothWays() throws {
    let file = try TemporaryFile()
    let link = try PacketLink()
    let capture = try PacketCapture(creating: file.path)
    var before = timespec()
    clock_gettime(CLOCK_REALTIME, &before)
    let network = try NetworkUnderTest(link.takeBackend(), capture: capture)
    network.giveBuffers([700, 700, 700, 700])
    let frames = [
      NetworkUnderTest.frame(60), NetworkUnderTest.frame(1400, seed: 1), NetworkUnderTest.frame(100, seed: 2),
    ]
    try link.send(frames[0])
    network.serve()
    network.send(frames[2])
    try link.send(frames[1])
    network.serve()
    #expect(network.device.end().isEmpty)
    let records = try Self.records(file.path)
    #expect(records.map(\.frame) == [frames[0], frames[2], frames[1]])
    for record in records {
      #expect(record.seconds >= UInt32(before.tv_sec) && record.seconds <= UInt32(before.tv_sec) + 600)
      #expect(record.nanoseconds < 1_000_000_000)
    }
  }

  /// A pipe that nobody reads holds nobody up; what is missing is said.
  @Test func aFileThatTakesNothing() throws {
    let pipe = try Ends.pipe()
    let link = try PacketLink()
    let capture = try PacketCapture(creating: "/proc/self/fd/\(pipe.far)")
    let network = try NetworkUnderTest(link.takeBackend(), capture: capture)
    let address = network.memory.allocate(60_012)
    for _ in 0..<200 {
      network.transmitQueue.add([.readable(address, 60_012)])
      network.transmitQueue.kick()
      while network.transmitQueue.collect().isEmpty {
        _ = link.received()
        network.loop.poll(timeout: patience)
      }
    }
    #expect(network.device.counters.sentFrames == 200)
    #expect(capture.end()?.contains("could not be written in time") == true)
  }

  @Test func aFileThatCannotBeMade() {
    do throws(SystemCallError) {
      _ = try PacketCapture(creating: "/no/such/directory/file")
      Issue.record("a file in no directory")
    } catch {
      #expect(error.code == ENOENT)
    }
  }

  @Test func aFullDiskIsSaid() throws {
    let link = try PacketLink()
    let capture = try PacketCapture(creating: "/dev/full")
    let network = try NetworkUnderTest(link.takeBackend(), capture: capture)
    network.send(NetworkUnderTest.frame(60))
    #expect(capture.end()?.contains("No space left on device") == true)
    #expect(link.received().count == 1)
  }
}
