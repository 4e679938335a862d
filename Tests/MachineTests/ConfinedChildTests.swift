import CLinux
import Testing

@testable import Machine

/// Work in a child process.
///
/// Each test is a process of its own: a child is made by `fork`, which wants no other threads that hold locks, and
/// descriptors and children are counted. The bodies are functions, because Swift 6.3 crashes on closures within them.
@Suite struct ConfinedChildTests {
  @Test func returnsWhatTheWorkReturned() async {
    await #expect(processExitsWith: .success) { Body.words() }
  }

  @Test func nothingIsNoAnswer() async {
    await #expect(processExitsWith: .success) { Body.silence() }
  }

  @Test func tooManyWords() async {
    await #expect(processExitsWith: .success) { Body.tooManyWords() }
  }

  @Test func death() async {
    await #expect(processExitsWith: .success) { Body.death() }
  }

  /// The limit is two seconds of processor time.
  @Test func endlessWork() async {
    await #expect(processExitsWith: .success) { Body.endlessWork() }
  }

  @Test func memoryIsLimited() async {
    await #expect(processExitsWith: .success) { Body.memory() }
  }

  /// What the child does stays in the child.
  @Test func childHasItsOwnMemory() async {
    await #expect(processExitsWith: .success) { Body.ownMemory() }
  }

  /// Whoever starts the monitor may have left SIGCHLD ignored, and then nobody can wait for the dead.
  @Test func deathWhileChildrenAreIgnored() async {
    await #expect(processExitsWith: .success) { Body.ignoredChildren() }
  }
}

private enum Body {
  static func words() {
    _ = openAtFirst
    let number = 42
    let text = ConfinedChild.run { "forty-two: \(number), é\0" }
    #expect(text == "forty-two: 42, é\0")
    let long = String(repeating: "x", count: (1 << 20) - 1)
    let longText = ConfinedChild.run { long }
    #expect(longText == long)
    expectNothingLeft()
  }

  static func silence() {
    _ = openAtFirst
    let text = ConfinedChild.run { "" }
    #expect(text == nil)
    expectNothingLeft()
  }

  static func tooManyWords() {
    _ = openAtFirst
    for size in [1 << 20, 5 << 20] {
      let text = ConfinedChild.run { String(repeating: "x", count: size) }
      #expect(text == nil)
    }
    expectNothingLeft()
  }

  static func death() {
    _ = openAtFirst
    let aborted = ConfinedChild.run { abort() }
    let exited = ConfinedChild.run { _exit(3) }
    let killed = ConfinedChild.run {
      _ = kill(getpid(), SIGKILL)
      return "alive"
    }
    #expect(aborted == nil)
    #expect(exited == nil)
    #expect(killed == nil)
    expectNothingLeft()
  }

  static func endlessWork() {
    _ = openAtFirst
    let text = ConfinedChild.run {
      var count = 0
      while count >= 0 { count = count &+ 1 & 0xff }
      return "done"
    }
    #expect(text == nil)
    expectNothingLeft()
  }

  static func memory() {
    let text = ConfinedChild.run {
      let small = malloc(16 << 20), large = malloc(2 << 30)
      return "\(small != nil) \(large != nil)"
    }
    #expect(text == "true false")
  }

  static func ownMemory() {
    var number = 1
    let text = ConfinedChild.run {
      number = 2
      return "\(number)"
    }
    #expect(text == "2")
    #expect(number == 1)
  }

  static func ignoredChildren() {
    _ = openAtFirst
    _ = linux_ignore_signal(SIGCHLD)
    let text = ConfinedChild.run {
      // The pipe is what is new here.
      for descriptor in OpenFiles.names.keys where openAtFirst[descriptor] == nil {
        _ = write(descriptor, "half of wha", 11)
      }
      abort()
    }
    #expect(text == nil)
  }

  /// The descriptors that were open when this was first asked for: before any child.
  private static let openAtFirst = OpenFiles.names

  private static func pipes(_ names: [Int32: String]) -> [Int32: String] {
    names.filter { $0.value.hasPrefix("pipe:") }
  }

  /// No child, dead or alive, and no pipe that was not there before.
  private static func expectNothingLeft() {
    var status: Int32 = 0
    let child = waitpid(-1, &status, WNOHANG)
    let code = linux_errno()
    #expect(child == -1)
    #expect(code == ECHILD)
    let open = pipes(OpenFiles.names), openBefore = pipes(openAtFirst)
    #expect(open == openBefore, "\(open) are open, \(openBefore) were")
  }
}
