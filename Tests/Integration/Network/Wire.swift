import CLinux
import SeededRandom

/// A wire in user space that loses, repeats, changes, delays and reorders frames: this program in another mode, a process of
/// its own.
///
/// Linux has `netem` for that. This is used instead because it is the same for the same seed, because it needs no kernel
/// module (a kernel without loadable ones often lacks netem), and because its end for the machine is the socket of
/// `--net NAME=unix:PATH`, which is so tested along.
enum Wire {
  /// The first argument that selects the mode; not for people, so `--help` does not have it. Two ends follow, and the
  /// impairment's words.
  static let mode = "--be-the-wire"

  /// Carries frames until SIGTERM; then says what it has done to them.
  static func run(arguments: [String]) -> Int32 {
    guard arguments.count >= 2, let impairment = Impairment(words: arguments.dropFirst(2)) else {
      Console.say("wire: '\(arguments.joined(separator: " "))'; expected two ends and an impairment", to: STDERR_FILENO)
      return ExitCode.usage
    }
    linux_ignore_signal(SIGPIPE)
    let end = linux_open_signal(SIGTERM)
    do throws(Verdict) {
      var ends = [try WireEnd(arguments[0]), try WireEnd(arguments[1])]
      var lanes = [WireLane(impairment, direction: 0), WireLane(impairment, direction: 1)]
      Console.say("ready")
      while try carry(&ends, &lanes, until: end) {}
      Console.say("there: \(lanes[0].account.text)")
      Console.say("back: \(lanes[1].account.text)")
      return ExitCode.success
    } catch {
      if case .failed(let explanation) = error { Console.say("wire: \(explanation)", to: STDERR_FILENO) }
      return ExitCode.failure
    }
  }

  /// One turn: waits for frames, or for when one is due; takes those that came, and lets out those whose time has come.
  ///
  /// - Returns: whether there is a next turn.
  private static func carry(_ ends: inout [WireEnd], _ lanes: inout [WireLane], until end: Int32) throws(Verdict)
    -> Bool
  {
    var polled = ends.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
    polled.append(pollfd(fd: end, events: Int16(POLLIN), revents: 0))
    let now = MonotonicTime.nanoseconds()
    var timeout: Int32 = -1
    for lane in lanes {
      guard let due = lane.nextDue else { continue }
      let milliseconds = due > now ? Int32((due - now + 999_999) / 1_000_000) : 0
      timeout = timeout < 0 ? milliseconds : min(timeout, milliseconds)
    }
    guard poll(&polled, 3, timeout) >= 0 || linux_errno() == EINTR else { throw Verdict(call: "poll") }
    guard polled[2].revents == 0 else { return false }
    for index in 0..<2 where polled[index].revents != 0 {
      try ends[index].flush()
      // A batch, so that the other direction has its turn.
      for _ in 0..<64 {
        guard let frame = try ends[index].read() else { break }
        lanes[index].take(frame, at: MonotonicTime.nanoseconds())
      }
    }
    for index in 0..<2 {
      while let frame = lanes[index].release(at: MonotonicTime.nanoseconds()) { try ends[1 - index].write(frame) }
    }
    return true
  }
}

/// One direction of the wire: what is on its way, and when it arrives.
private struct WireLane {
  private let impairment: Impairment
  private var random: SeededGenerator
  /// In the order of their times; what stands before `first` has left.
  private var frames: [(due: UInt64, bytes: [UInt8])] = []
  private var first = 0
  private(set) var account = WireAccount()

  /// More frames than this are not on their way at once; what comes then is lost, as in a switch.
  private static let limit = 4096
  /// The Ethernet header, which is left as it is: a changed address is a loss, and a changed type another protocol.
  private static let headerByteCount = 14

  init(_ impairment: Impairment, direction: UInt64) {
    self.impairment = impairment
    random = SeededGenerator(seed: impairment.seed &* 2 &+ direction)
  }

  var nextDue: UInt64? { first < frames.count ? frames[first].due : nil }

  mutating func take(_ frame: [UInt8], at now: UInt64) {
    account.carried += 1
    // Always the same number of draws, so that the fate of a frame depends on its number alone.
    let isLost = draw(impairment.lost), isDuplicated = draw(impairment.duplicated)
    let isCorrupted = draw(impairment.corrupted), isReordered = draw(impairment.reordered)
    let place = random.next()
    if isLost || frames.count - first >= Self.limit {
      account.lost += 1
      return
    }
    if let largest = impairment.largestPacket, frame.count - Self.headerByteCount > largest {
      account.tooLarge += 1
      return
    }
    var frame = frame
    // Only what has a checksum: an ARP that lies is believed.
    if isCorrupted, Self.isInternetProtocol(frame), frame.count > Self.headerByteCount {
      let bit = Int(place % UInt64((frame.count - Self.headerByteCount) * 8))
      frame[Self.headerByteCount + bit / 8] ^= 1 << UInt8(bit % 8)
      account.corrupted += 1
    }
    var due = now + UInt64(impairment.delay) * 1_000_000
    if isReordered {
      due += UInt64(Impairment.reorderingDelay) * 1_000_000
      account.reordered += 1
    }
    insert(frame, due: due)
    if isDuplicated {
      insert(frame, due: due)
      account.duplicated += 1
    }
  }

  mutating func release(at now: UInt64) -> [UInt8]? {
    guard first < frames.count, frames[first].due <= now else { return nil }
    defer {
      first += 1
      if first == frames.count || first >= Self.limit {
        frames.removeFirst(first)
        first = 0
      }
    }
    return frames[first].bytes
  }

  private mutating func insert(_ frame: [UInt8], due: UInt64) {
    var index = frames.count
    while index > first, frames[index - 1].due > due { index -= 1 }
    frames.insert((due, frame), at: index)
  }

  private mutating func draw(_ perThousand: Int) -> Bool { random.next() % 1000 < UInt64(perThousand) }

  /// The Ethernet types of IPv4 and IPv6.
  private static func isInternetProtocol(_ frame: [UInt8]) -> Bool {
    guard frame.count > headerByteCount else { return false }
    return (frame[12], frame[13]) == (0x08, 0x00) || (frame[12], frame[13]) == (0x86, 0xdd)
  }
}
