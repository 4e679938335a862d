import CLinux
import SeededRandom

/// Several connections that write to the example `notes` at the same time, each its own notes, one after the other. So the
/// changes of some are committed together.
///
/// A machine that is killed has answered some of the requests that were under way, and carried out others: their notes may
/// have the text from before or the new one, and nothing else.
struct NoteWriters: ~Copyable {
  /// What a note may be; the last is the newest.
  private(set) var possible: [String: [String?]] = [:]
  /// How many changes were acknowledged.
  private(set) var acknowledgedCount = 0
  private let count: Int
  private var lanes: [Lane] = []
  private var lastValue = 0
  private var random: SeededGenerator

  private struct Lane {
    let descriptor: Int32
    /// What was sent and not answered.
    var name = ""
    var answer: [UInt8] = []
  }

  private static let notesPerWriter = 12

  init(count: Int, seed: UInt64) {
    self.count = count
    random = SeededGenerator(seed: seed)
  }

  deinit {
    for lane in lanes { close(lane.descriptor) }
  }

  mutating func connect(to address: String) throws(Verdict) {
    for _ in 0..<count {
      var connection = try InternetSocket.connected(to: address, port: 8080)
      lanes.append(Lane(descriptor: connection.release()))
    }
  }

  /// Has every writer write, until so many changes more are acknowledged. Then each has sent another one.
  mutating func write(untilAcknowledged wanted: Int) throws(Verdict) {
    let limit = acknowledgedCount + wanted
    for number in lanes.indices { try send(number) }
    while acknowledgedCount < limit {
      for number in try readable() {
        guard try receive(number) else { throw .failed("writer \(number)'s connection ended") }
      }
    }
  }

  /// Takes the answers that were on their way when the machine was killed. They are acknowledgements like any other.
  mutating func takeLastAnswers() throws(Verdict) {
    for number in lanes.indices {
      while !lanes[number].name.isEmpty, try receive(number, sendsNext: false) {}
      close(lanes[number].descriptor)
    }
    lanes = []
  }

  /// What was read of a note is what it is from now on.
  mutating func settle(_ name: String, _ value: String?) throws(Verdict) {
    let expected = possible[name] ?? [nil]
    guard expected.contains(value) else {
      let words = expected.map { $0 ?? "nothing" }.joined(separator: " or ")
      throw .failed("expected '\(words)' in \(name); got '\(value ?? "nothing")'")
    }
    possible[name] = [value]
  }

  private mutating func send(_ number: Int) throws(Verdict) {
    let name = "writer\(number)-note\(Int.random(in: 0..<Self.notesPerWriter, using: &random))"
    lastValue += 1
    // A note is deleted now and then, if it is there.
    let isThere = if let newest = possible[name]?.last { newest != nil } else { false }
    let value = isThere && lastValue % 7 == 0 ? nil : "value \(lastValue)"
    let text = value.map { NoteText.put(name, $0) } ?? NoteText.delete(name)
    let bytes = Array(text.utf8)
    guard CLinux.send(lanes[number].descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      throw Verdict(call: "send by writer \(number)")
    }
    lanes[number].name = name
    possible[name, default: [nil]].append(value)
  }

  /// The writers that have something to receive.
  private func readable() throws(Verdict) -> [Int] {
    var polled = lanes.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    guard poll(&polled, nfds_t(polled.count), 60_000) > 0 else { throw .failed("nothing was acknowledged for 60 s") }
    return polled.indices.filter { polled[$0].revents != 0 }
  }

  /// Receives a part of the answer, and has the writer go on if that was all of it.
  ///
  /// - Returns: false at the connection's end.
  private mutating func receive(_ number: Int, sendsNext: Bool = true) throws(Verdict) -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let byteCount = recv(lanes[number].descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
    guard byteCount > 0 else { return false }
    lanes[number].answer += bytes[..<byteCount]
    let answer = String(decoding: lanes[number].answer, as: UTF8.self)
    guard answer.contains(bytesOf: "\r\n\r\n") else { return true }
    guard answer.hasPrefix("HTTP/1.1 204 ") else {
      throw .failed("expected 204 for writer \(number); got '\(answer.lines.first ?? "")'")
    }
    let name = lanes[number].name
    possible[name] = [possible[name]?.last ?? nil]
    acknowledgedCount += 1
    lanes[number].name = ""
    lanes[number].answer = []
    if sendsNext { try send(number) }
    return true
  }
}

/// What is said to the example `notes`.
enum NoteText {
  static func put(_ name: String, _ text: String) -> String {
    "PUT /notes/\(name) HTTP/1.1\r\nHost: notes\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
  }

  static func delete(_ name: String) -> String { "DELETE /notes/\(name) HTTP/1.1\r\nHost: notes\r\n\r\n" }

  static func get(_ name: String) -> String {
    "GET /notes/\(name) HTTP/1.1\r\nHost: notes\r\nConnection: close\r\n\r\n"
  }
}
