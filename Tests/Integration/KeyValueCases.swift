import CLinux
import SeededRandom

/// The example `kv`: what it was told to keep is there, whatever became of it meanwhile.
func keyValueCases() -> [Case] {
  [
    Case("kv-session", "a session with the key-value store goes as it should") { session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      try talk(session, disk, StoreSession.input, expecting: StoreSession.output)
    },
    Case("kv-restart", "what was committed is there after a restart, and what was not is not") {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      try talk(session, disk, "set a 1\nset b 2\ncommit\nset a 3\nset c 4\n", expecting: "committed 1\n")
      try talk(session, disk, "list\nget a\nset b 5\ndelete a\ncommit\n", expecting: "a\nb\n1\ncommitted 1\n")
      try talk(session, disk, "list\nget b\n", expecting: "b\n5\n")
    },
    Case("kv-refusal", "a disk with something else on it is left alone") { session throws(Verdict) in
      let disk = try Disk([UInt8](repeating: 0x55, count: 1 << 20))
      let run = try session.monitor.run("kv", options: disk.attached(as: "data")).expect(status: 1).expect(stderr: "")
      try run.expect(run.stdout.hasPrefix("error: "), "an error", got: "'\(run.stdout)'")
      let isAsBefore = try disk.contents().allSatisfy { $0 == 0x55 }
      try run.expect(isAsBefore, "the disk as it was", got: "another")
    },
    Case("kv-full", "a store that is full says so and keeps what it has") { session throws(Verdict) in
      let disk = try Disk(byteCount: 128 << 10)
      var input = "set kept safe\ncommit\n"
      for number in 0..<400 {
        input += "set key\(number) \(String(repeating: "v", count: 1000))\ncommit\n"
      }
      var run = try runStore(session, disk, input).expect(status: 0).expect(stderr: "")
      try run.expectOutput(containing: "committed 1\n").expectOutput(containing: "error: ")
      run = try runStore(session, disk, "get kept\n").expect(status: 0).expect(stdout: "safe\n")
    },
    Case("kv-killed", "of a store whose machine is killed at any moment, each commit is there as a whole or not at all")
    {
      session throws(Verdict) in
      let disk = try Disk(byteCount: 1 << 20)
      var crashes = Crashes(seed: 20_260)
      for _ in 0..<LaneExceptions.kills(in: session.lane) { try crashes.killOnce(session, disk) }
      try crashes.verify(session, disk)
      guard crashes.killedWhileCommitting > 0, crashes.acknowledged > 0 else {
        throw .failed("expected kills between commits; got \(crashes.acknowledged) commits altogether")
      }
    },
  ]
}

/// What is said to a store on a blank disk, and what it answers.
enum StoreSession {
  static let input =
    """
    get fruit
    set fruit a red apple
    set colour blue
    get fruit
    list
    commit
    set fruit pear
    delete colour
    list
    discard
    get colour
    get fruit
    list fr
    delete colour
    commit
    commit
    get colour
    fetch
    set
    set lonely
    get two words

    quit
    set fruit never
    commit

    """

  static let output =
    """
    error: 'fruit' has no value
    a red apple
    colour
    fruit
    committed 1
    fruit
    blue
    a red apple
    fruit
    committed 2
    committed 3
    error: 'colour' has no value
    error: no command is named 'fetch'; try 'help'
    error: usage: set KEY VALUE
    error: usage: set KEY VALUE
    error: usage: get KEY

    """
}

private func runStore(_ session: Session, _ disk: borrowing Disk, _ input: String) throws(Verdict) -> Run {
  let file = try Disk(Array(input.utf8))
  return try session.monitor.run("kv", options: disk.attached(as: "data"), input: .file(file.path))
}

private func talk(
  _ session: Session, _ disk: borrowing Disk, _ input: String, expecting output: String
) throws(Verdict) {
  try runStore(session, disk, input).expect(status: 0).expect(stderr: "").expect(stdout: output)
}

/// One store through many machines, each killed while it commits one numbered transaction after the other.
///
/// Transaction number N gives all `keys` values that N determines, makes the key "odd" come or go, and starts a change that
/// it does not commit. So what the store holds after a kill tells the last transaction, and whether all of it is there.
private struct Crashes {
  private var generator: SeededGenerator
  /// The last transaction that is known to be committed.
  private(set) var acknowledged = 0
  /// The last one that the store was asked to commit.
  private var asked = 0
  /// How many machines were killed with transactions before them.
  private(set) var killedWhileCommitting = 0

  private static let keys = ["alpha", "beta", "gamma", "delta"]
  private static let transactionsPerMachine = 30

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// Starts a machine, has it say what is there, and kills it at some moment of its work, its start included.
  mutating func killOnce(_ session: Session, _ disk: borrowing Disk) throws(Verdict) {
    // What is there is told before anything else is done; then every transaction has a number of its own, of which a machine
    // that was killed may have used some.
    let first = asked + 1
    var script = Self.questions
    for number in first..<first + Self.transactionsPerMachine { script += Self.transaction(number) }
    let file = try Disk(Array(script.utf8))
    var process = try session.monitor.start("kv", options: disk.attached(as: "data"), input: .file(file.path))
    let commits = Int(generator.next() % 8)
    if commits > 0 { try process.waitForOutput("committed \(commits)\n") }
    // Somewhere between two commits, or before the first: it decides nothing but where the kill falls.
    var delay = timespec(tv_sec: 0, tv_nsec: Int(generator.next() % 3_000_000))
    nanosleep(&delay, nil)
    process.signal(SIGKILL)
    let run = try process.finish()
    try run.expect(
      run.ending == .signalled(SIGKILL) || run.ending == .exited(0), "death by SIGKILL", got: run.ending.text)
    try run.expect(stderr: "")

    let lines = run.stdout.lines
    // Only whole answers count; the machine may have been killed before it gave them.
    if lines.contains(Self.endOfAnswers) { try checkAnswers(lines, run) }
    let committed = lines.count { $0.hasPrefix("committed ") }
    if committed > 0 {
      killedWhileCommitting += 1
      acknowledged = first + committed - 1
    }
    asked = first + Self.transactionsPerMachine - 1
  }

  /// Lets a machine say what is there and end.
  mutating func verify(_ session: Session, _ disk: borrowing Disk) throws(Verdict) {
    let run = try runStore(session, disk, Self.questions).expect(status: 0).expect(stderr: "")
    try checkAnswers(run.stdout.lines, run)
  }

  private mutating func checkAnswers(_ lines: [String], _ run: Run) throws(Verdict) {
    let found = Self.number(of: lines[0])
    try run.expect(
      found >= acknowledged && found <= asked, "transaction \(acknowledged) to \(asked)", got: "'\(lines[0])'")
    for (index, expected) in Self.answers(found).enumerated() {
      let line = index < lines.count ? lines[index] : "nothing"
      try run.expect(line == expected, "'\(expected)' of transaction \(found)", got: "'\(line)'")
    }
    // Whatever it is, it is there for good: nobody asks for an older one any more.
    acknowledged = found
  }

  // MARK: The store's language

  private static var questions: String {
    keys.reduce("") { $0 + "get \($1)\n" } + "get odd\nlist\nend\n"
  }
  /// What the store says to "end", which is no command.
  private static let endOfAnswers = "error: no command is named 'end'; try 'help'"

  private static func transaction(_ number: Int) -> String {
    var text = ""
    for key in keys { text += "set \(key) \(value(of: key, number))\n" }
    text += number % 2 == 1 ? "set odd \(number)\n" : "delete odd\n"
    return text + "commit\nset alpha 0 is never committed\nset never 1\ndiscard\nset beta neither is this\n"
  }

  private static func value(of key: String, _ number: Int) -> String {
    // Lengths that fill some sectors and leave some in half.
    "\(number) \(key) " + String(repeating: "\(number % 10)", count: number * 977 % 2300)
  }

  private static func answers(_ number: Int) -> [String] {
    guard number > 0 else { return (keys + ["odd"]).map { "error: '\($0)' has no value" } + [endOfAnswers] }
    let odd = number % 2 == 1
    return keys.map { value(of: $0, number) } + [odd ? "\(number)" : "error: 'odd' has no value"]
      + (keys + (odd ? ["odd"] : [])).sorted() + [endOfAnswers]
  }

  private static func number(of line: String) -> Int { Int(line.words.first ?? "") ?? 0 }
}
