import CELF
import CLinux
import Glibc
import KVM
import MachineABI
import Testing

@testable import Machine

// Needs /dev/kvm.
/// `Machine` as a library: whole machines in this process.
@Suite(.enabled(if: hasKVM, "/dev/kvm is missing or not ours to use")) struct MachineRunTests {
  /// Boots an image once.
  private static func run(
    _ image: borrowing Image, _ arguments: [String] = ["hello"], memorySize: UInt64 = 64 << 20,
    randomizesAddresses: Bool = true
  ) throws -> (outcome: MachineOutcome, console: String) {
    let console = try ConsolePipe()
    var timeline = Timeline()
    var machine = try Machine(
      MachineConfiguration(
        arguments: arguments, memorySize: memorySize, randomizesAddresses: randomizesAddresses,
        consoleDescriptor: console.descriptor), image: image, timeline: &timeline)
    let outcome = try machine.run()
    return (outcome, console.text())
  }

  @Test func hello() throws {
    let image = try BuiltImage.hello.open()
    let (outcome, console) = try Self.run(image)
    #expect(outcome == .exited(0))
    #expect(console == "Hello, world!\n")
  }

  @Test(arguments: [[], ["hello"], ["hello", ""], ["hello", "é 日本 🧵", "unused"]])
  func arguments(_ arguments: [String]) throws {
    let image = try BuiltImage.hello.open()
    let (outcome, console) = try Self.run(image, arguments)
    #expect(outcome == .exited(0))
    #expect(console == "Hello, \(arguments.count > 1 ? arguments[1] : "world")!\n")
  }

  @Test(arguments: [4 << 20, 4 << 20 | 4096, (64 << 20) - 4096, 1 << 30, 16 << 30] as [UInt64], [true, false])
  func memorySizes(memorySize: UInt64, randomizesAddresses: Bool) throws {
    let image = try BuiltImage.hello.open()
    let (outcome, console) = try Self.run(
      image, memorySize: memorySize, randomizesAddresses: randomizesAddresses)
    #expect(outcome == .exited(0))
    #expect(console == "Hello, world!\n")
  }

  @Test func addresses() throws {
    let image = try BuiltImage.hello.open()
    var timeline = Timeline()
    func make(randomizesAddresses: Bool) throws -> (bias: UInt64, stack: Range<UInt64>) {
      let machine = try Machine(
        MachineConfiguration(arguments: [], randomizesAddresses: randomizesAddresses), image: image,
        timeline: &timeline)
      return (machine.imageBias, machine.stack)
    }
    let fixed = [try make(randomizesAddresses: false), try make(randomizesAddresses: false)]
    #expect(fixed[0].bias == 0)
    #expect(fixed[0].stack == fixed[1].stack)
    let random = [try make(randomizesAddresses: true), try make(randomizesAddresses: true)]
    #expect(random[0].bias != random[1].bias)
  }

  @Test func whatARunReports() throws {
    let image = try BuiltImage.hello.open()
    let console = try ConsolePipe()
    var timeline = Timeline()
    var machine = try Machine(
      MachineConfiguration(arguments: ["hello"], consoleDescriptor: console.descriptor), image: image,
      timeline: &timeline)
    #expect(machine.exits.total == 0)
    let outcome = try machine.run()
    #expect(outcome == .exited(0))
    #expect(machine.exits.mmioWrites >= 1)
    #expect(machine.exits.mmioReads == 0)
    #expect(machine.exits.others == 0)
    let milestones = machine.milestones()
    #expect(milestones.count == 3)
    #expect(milestones == milestones.sorted())
    #expect(timeline.start < milestones[0])
    #expect(milestones[2] <= machine.endTimeStamp)
    #expect(machine.timeStampCounterKHz > 100_000)
    // Every phase that is the machine's own, in the order of their declaration.
    let phases = timeline.durations().map(\.phase)
    let own = Timeline.Phase.openKVM.rawValue...Timeline.Phase.registers.rawValue
    #expect(phases == Timeline.Phase.allCases.filter { own.contains($0.rawValue) })
  }

  @Test func twoHundredBootsLeaveNothing() async {
    // In a process of its own: other tests open files, too.
    await #expect(processExitsWith: .success) {
      let image = try BuiltImage.hello.open()
      // The first boot makes libc and the runtime map what they need.
      for _ in 0..<5 { _ = try Self.run(image) }
      let files = OpenFiles.count, mappings = Mappings.count
      try #require(files > 0)
      try #require(mappings > 0)
      for number in 0..<200 {
        let (outcome, console) = try Self.run(image, ["hello", "\(number)"])
        #expect(outcome == .exited(0))
        #expect(console == "Hello, \(number)!\n")
      }
      #expect(OpenFiles.count == files)
      // The heap may have grown by a mapping or two; a machine has at least two of its own.
      #expect(Mappings.count <= mappings + 20)
    }
  }

  @Test func failedMachinesLeaveNothing() async {
    await #expect(processExitsWith: .success) {
      let image = try BuiltImage.hello.open()
      var timeline = Timeline()
      func fail() {
        for configuration in [
          MachineConfiguration(arguments: [String(repeating: "x", count: 70_000)]),
          MachineConfiguration(arguments: [], memorySize: 4097),
        ] {
          #expect(throws: MachineError.self) {
            _ = try Machine(configuration, image: image, timeline: &timeline)
          }
        }
      }
      fail()
      let files = OpenFiles.count, mappings = Mappings.count
      for _ in 0..<50 { fail() }
      #expect(OpenFiles.count == files)
      #expect(Mappings.count <= mappings + 5)
    }
  }

  @Test func eightAtOnce() throws {
    // A machine is one thread's, so these are threads; at the barrier, all eight machines are there.
    let runs = try SimultaneousRuns(count: 8)
    runs.join()
    #expect(runs.results.map(\.text) == (0..<8).map { "Hello, machine \($0)!\n" })
    #expect(runs.results.allSatisfy { $0.outcome == .exited(0) })
    let biases = Set(runs.results.map(\.bias))
    #expect(biases.count == 8)
  }

  @Test func stoppedBeforeItRuns() throws {
    let image = try BuiltImage.hello.open()
    let console = try ConsolePipe()
    var timeline = Timeline()
    var machine = try Machine(
      MachineConfiguration(arguments: ["hello"], consoleDescriptor: console.descriptor), image: image,
      timeline: &timeline)
    machine.stopFlag.pointee = 1
    let stopped = try machine.run()
    #expect(stopped == .stopped)
    #expect(machine.exits.total == 1)
    #expect(machine.exits.interruptions == 1)
    #expect(machine.milestones() == [0, 0, 0])
    // Nothing was lost: it runs on when it may.
    machine.stopFlag.pointee = 0
    let outcome = try machine.run()
    #expect(outcome == .exited(0))
    let text = console.text()
    #expect(text == "Hello, world!\n")
  }

  @Test func nobodyReads() async {
    await #expect(processExitsWith: .success) {
      _ = linux_ignore_signal(SIGPIPE)
      let image = try BuiltImage.hello.open()
      let end = try ConsolePipe().closeReadEnd()
      var timeline = Timeline()
      var machine = try Machine(
        MachineConfiguration(arguments: ["hello"], consoleDescriptor: end.rawValue), image: image, timeline: &timeline)
      let outcome = try machine.run()
      #expect(outcome == .consoleClosed)
    }
  }

  // MARK: Failures

  /// Vectors: Intel SDM volume 3, table 6-1.
  @Test(arguments: [
    ("fatal-error", 6), ("index-out-of-range", 6), ("nil-unwrapped", 6), ("overflow", 6), ("divide-by-zero", 0),
    ("null", 14), ("write-to-text", 14), ("jump-to-stack", 14), ("privileged-instruction", 13),
  ])
  func panicsAreValues(kind: String, vector: UInt8) throws {
    let image = try BuiltImage.crash.open()
    let (outcome, console) = try Self.run(image, ["crash", kind])
    #expect(console == "about to crash: \(kind)\n")
    guard case .panicked(let panic) = outcome, case .exception(vector, _, let address) = panic.cause else {
      Issue.record("\(outcome)")
      return
    }
    #expect(panic.frames.first == panic.registers.rip)
    #expect(panic.frames.count > 1)
    if kind == "fatal-error" { #expect(panic.message.contains("asked to stop")) }
    if kind == "null" { #expect(address < 4096) }
  }

  @Test func reportsNameTheFunction() async {
    // In a process of its own: the report is made in a child process.
    await #expect(processExitsWith: .success) {
      let image = try BuiltImage.crash.open()
      let console = try ConsolePipe()
      var timeline = Timeline()
      var machine = try Machine(
        MachineConfiguration(arguments: ["crash", "overflow"], consoleDescriptor: console.descriptor), image: image,
        timeline: &timeline)
      guard case .panicked(let panic) = try machine.run() else {
        Issue.record("it did not panic")
        return
      }
      let report = PanicReport.text(panic, machine, image: image)
      #expect(report.hasPrefix("guest panic: "))
      #expect(report.contains("overflow("))
      #expect(report.hasSuffix("\n"))
    }
  }

  @Test func impossibleConfigurations() throws {
    let image = try BuiltImage.hello.open()
    var timeline = Timeline()
    for (configuration, text) in [
      (
        MachineConfiguration(arguments: [String(repeating: "x", count: 65_536)]),
        "the arguments take 65537 bytes; expected at most 65536"
      ),
      (
        MachineConfiguration(arguments: [], memorySize: 32 << 30),
        "memory size is 34359738368 bytes; expected a multiple of 4K from 2M to 16G"
      ),
    ] {
      let error = #expect(throws: MachineError.self) {
        _ = try Machine(configuration, image: image, timeline: &timeline)
      }
      #expect(error?.description == text)
    }
    // As much as there may be.
    let arguments = ["hello", "y", String(repeating: "z", count: 65_536 - 9)]
    let (outcome, console) = try Self.run(image, arguments)
    #expect(outcome == .exited(0))
    #expect(console == "Hello, y!\n")
  }

  @Test func imagesThatWantMore() throws {
    var builder = ImageBuilder()
    builder.note.minimum_memory = .max
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    var timeline = Timeline()
    let error = #expect(throws: MachineError.self) {
      _ = try Machine(MachineConfiguration(arguments: []), image: image, timeline: &timeline)
    }
    #expect(error?.description == "memory size is 65536K; expected at least 18014398509481984K for this image")
  }

  /// Images that pass the loader in spite of an unusual shape: each becomes a machine, or an error.
  @Test func unusualImages() throws {
    var atZero = ImageBuilder()
    for index in atZero.programHeaders.indices { atZero.programHeaders[index].p_vaddr -= ImageBuilder.base }
    atZero.header.e_entry -= ImageBuilder.base
    atZero.dynamic = [(DT_FLAGS_1, UInt64(DF_1_PIE))]
    atZero.relr = []
    var backwards = ImageBuilder()
    backwards.programHeaders[ImageBuilder.Index.text].p_offset = ImageBuilder.Place.traps
    backwards.programHeaders[ImageBuilder.Index.traps].p_offset = ImageBuilder.Place.text
    for builder in [atZero, backwards] {
      let file = try TemporaryFile(builder.bytes)
      let image = try Image(opening: file.path)
      for randomizesAddresses in [true, false] {
        var timeline = Timeline()
        let machine = try Machine(
          MachineConfiguration(arguments: [], randomizesAddresses: randomizesAddresses), image: image,
          timeline: &timeline)
        #expect(machine.exits.total == 0)
      }
    }
  }
}

/// Machines that exist, and run, at the same time.
private final class SimultaneousRuns: @unchecked Sendable {
  struct Result {
    var text = ""
    var outcome: MachineOutcome?
    var bias: UInt64 = 0
  }

  /// Each thread writes its own element, and they are read once all have been joined.
  private let storage: UnsafeMutableBufferPointer<Result>
  private let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
  private var threads: [pthread_t] = []

  var results: [Result] { Array(storage) }

  init(count: Int) throws {
    storage = .allocate(capacity: count)
    storage.initialize(repeating: Result())
    pthread_barrier_init(barrier, nil, UInt32(count))
    for number in 0..<count {
      var thread = pthread_t()
      let argument = Unmanaged.passRetained(Start(runs: self, number: number)).toOpaque()
      let result = pthread_create(
        &thread, nil,
        { argument in
          let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
          start.runs.run(start.number)
          return nil
        }, argument)
      precondition(result == 0, "no thread")
      threads.append(thread)
    }
  }

  deinit {
    storage.deallocate()
    barrier.deallocate()
  }

  func join() {
    for thread in threads { pthread_join(thread, nil) }
  }

  private final class Start {
    let runs: SimultaneousRuns
    let number: Int

    init(runs: SimultaneousRuns, number: Int) {
      self.runs = runs
      self.number = number
    }
  }

  private func run(_ number: Int) {
    var hasWaited = false
    do {
      let image = try BuiltImage.hello.open()
      let console = try ConsolePipe()
      var timeline = Timeline()
      var machine = try Machine(
        MachineConfiguration(arguments: ["hello", "machine \(number)"], consoleDescriptor: console.descriptor),
        image: image, timeline: &timeline)
      pthread_barrier_wait(barrier)
      hasWaited = true
      storage[number].outcome = try machine.run()
      storage[number].bias = machine.imageBias
      storage[number].text = console.text()
    } catch {
      // The outcome that is missing fails the test; the others must not wait for us.
      if !hasWaited { pthread_barrier_wait(barrier) }
    }
  }
}
