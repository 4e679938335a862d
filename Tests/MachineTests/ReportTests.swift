import CKVM
import Foundation
import Testing

@testable import KVM
@testable import Machine

/// The parts of `--report`.
@Suite struct TimelineTests {
  @Test func phasesInTheirOrder() {
    var timeline = Timeline()
    for (number, phase) in Timeline.Phase.allCases.enumerated().reversed() {
      timeline.mark(phase, at: timeline.start + UInt64(100 * (number + 1)))
    }
    let durations = timeline.durations()
    #expect(durations.map(\.phase) == Timeline.Phase.allCases)
    #expect(durations.allSatisfy { $0.ticks == 100 })
    let names = Timeline.Phase.allCases.map(\.name.description)
    #expect(Set(names).count == names.count)
  }

  @Test func marksWithoutATimeStampAreNow() {
    var timeline = Timeline()
    timeline.mark(.options)
    timeline.mark(.openImage)
    let durations = timeline.durations()
    #expect(durations.map(\.phase) == [.options, .openImage])
  }

  @Test func whatWasNotReachedIsLeftOut() {
    var timeline = Timeline()
    timeline.mark(.options, at: timeline.start + 10)
    timeline.mark(.enterGuest, at: 0)
    timeline.mark(.leaveGuest, at: timeline.start + 30)
    let durations = timeline.durations()
    #expect(durations.map(\.phase) == [.options, .leaveGuest])
    #expect(durations.map(\.ticks) == [10, 20])
  }

  /// The guest can leave any number as a milestone: before the start, before each other, the largest there is.
  @Test func hostileMilestones() {
    var timeline = Timeline()
    let start = timeline.start
    timeline.mark(.registers, at: start + 100)
    timeline.mark(.enterGuest, at: 1)
    timeline.mark(.guestStart, at: start + 50)
    timeline.mark(.guestMain, at: .max)
    timeline.mark(.leaveGuest, at: start + 200)
    let durations = timeline.durations()
    #expect(durations.map(\.ticks) == [100, 0, 0, .max - start - 100, 0])
  }
}

@Suite struct JSONWriterTests {
  @Test func everyScalarBelowTheSurrogates() throws {
    for value in 0..<0xd800 as Range<UInt32> {
      let text = "<" + String(Unicode.Scalar(value)!) + ">"
      let quoted = JSONWriter.quoted(text)
      // RFC 8259, section 7: nothing below a space stands for itself.
      let isPlain = quoted.unicodeScalars.allSatisfy { $0.value >= 0x20 }
      guard isPlain, value < 0x400 || value % 97 == 0 else {
        #expect(isPlain, "\(value)")
        continue
      }
      let parsed = try JSONSerialization.jsonObject(with: Data(quoted.utf8), options: .fragmentsAllowed) as? String
      // Scalar by scalar: strings compare by canonical equivalence.
      #expect(parsed.map { Array($0.unicodeScalars) } == Array(text.unicodeScalars), "\(value)")
    }
  }

  @Test(arguments: [
    ("", #""""#), (#"a"b\c"#, #""a\"b\\c""#), ("\n\t\r\0\u{1f}", #""\n\t\u000d\u0000\u001f""#), ("🧵é", #""🧵é""#),
    ("\u{7f}", "\"\u{7f}\""),
  ])
  func escapes(text: String, quoted: String) {
    #expect(JSONWriter.quoted(text) == quoted)
  }

  @Test func nesting() throws {
    var writer = JSONWriter()
    writer.object { outer in
      outer.object("empty") { _ in }
      outer.member("number", -5)
      outer.object("inner") { inner in
        inner.member("text", "line\nline")
        inner.object("innermost") { $0.member("largest", Int.max) }
        inner.member("last", Int.min)
      }
    }
    #expect(
      writer.text == #"""
        {
          "empty": {
          },
          "number": -5,
          "inner": {
            "text": "line\nline",
            "innermost": {
              "largest": 9223372036854775807
            },
            "last": -9223372036854775808
          }
        }

        """#)
    _ = try JSONSerialization.jsonObject(with: Data(writer.text.utf8))
  }
}

@Suite struct RunReportTests {
  private func report(
    _ timeline: Timeline, outcome: MachineOutcome = .exited(0), khz: Int = 2_000_000, processStart: UInt64? = nil,
    imagePath: String = "hello.elf", devices: [DeviceActivity] = []
  ) throws -> [String: Any] {
    var exits = ExitCounts()
    exits.count(.mmioWrite(MMIOAccess(address: 0, byteCount: 4, data: 0)))
    exits.count(.mmioWrite(MMIOAccess(address: 0, byteCount: 4, data: 0)))
    exits.count(.mmioRead(MMIOAccess(address: 0, byteCount: 4, data: 0)))
    exits.count(.port(PortAccess(port: 0x80, width: 1, isWrite: true)))
    exits.count(.interrupted)
    exits.count(.shutdown)
    let text = RunReport(
      processStart: processStart, timeline: timeline, outcome: outcome, exitStatus: 3, exits: exits, devices: devices,
      timeStampCounterKHz: khz, imagePath: imagePath, memorySize: 64 << 20
    ).json()
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func devicesByName() throws {
    var activity = DeviceActivity(DeclaredDevice(kind: .block, name: "data"))
    activity.requests = 7
    activity.notifications = 3
    activity.interrupts = .max
    let report = try report(Timeline(), devices: [activity])
    let devices = try #require(report["devices"] as? [String: [String: Any]])
    #expect(Array(devices.keys) == ["data"])
    #expect(devices["data"]?["kind"] as? String == "block")
    #expect(devices["data"]?["requests"] as? Int == 7)
    #expect(devices["data"]?["notifications"] as? Int == 3)
    #expect(devices["data"]?["interrupts"] as? Int == .max)
    #expect(try self.report(Timeline())["devices"] == nil)
  }

  @Test func members() throws {
    var timeline = Timeline()
    timeline.mark(.options, at: timeline.start + 2000)
    timeline.mark(.openImage, at: timeline.start + 5000)
    let report = try report(timeline, processStart: 77, imagePath: "a \"b\"\n.elf")
    #expect(report["image"] as? String == "a \"b\"\n.elf")
    #expect(report["memory_bytes"] as? Int == 64 << 20)
    #expect(report["outcome"] as? String == "exited")
    #expect(report["exit_status"] as? Int == 3)
    #expect(
      report["exits"] as? [String: Int] == [
        "mmio_write": 2, "mmio_read": 1, "port": 1, "interrupted": 1, "other": 1, "total": 6,
      ])
    #expect(report["phases_ns"] as? [String: Int] == ["process_start": 77, "options": 1000, "open_image": 1500])
    let monitor = try #require(report["monitor"] as? [String: Int])
    #expect(monitor.keys.sorted() == ["minor_page_faults", "peak_resident_bytes"])
    #expect(monitor["peak_resident_bytes"]! > 1 << 20)
  }

  @Test func everyOutcomeHasAName() throws {
    var registers = GuestRegisters(.init())
    registers.rip = 1
    let panic = GuestPanic(cause: .tripleFault, message: "", registers: registers, frames: [])
    for (outcome, name) in [
      (.exited(1), "exited"), (.panicked(panic), "panicked"), (.stopped, "stopped"),
      (.consoleClosed, "console_closed"), (.requiredNetworkLost, "required_network_lost"),
      (.unexpectedExit(9), "unexpected_exit"),
    ] as [(MachineOutcome, String)] {
      let report = try report(Timeline(), outcome: outcome)
      #expect(report["outcome"] as? String == name)
    }
  }

  @Test(arguments: [Int.min, -1, 0, 1, 2_000_000, .max]) func hostileTimes(khz: Int) throws {
    var timeline = Timeline()
    timeline.mark(.registers, at: timeline.start + 1)
    timeline.mark(.enterGuest, at: .max)
    timeline.mark(.guestStart, at: 1)
    timeline.mark(.leaveGuest, at: timeline.start + 2)
    let report = try report(timeline, khz: khz, processStart: .max)
    let phases = try #require(report["phases_ns"] as? [String: Int])
    #expect(phases["process_start"] == .max)
    #expect(phases["guest_start"] == 0)
    #expect(phases.values.allSatisfy { $0 >= 0 })
  }
}
