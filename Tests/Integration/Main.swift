import CLinux

/// Runs the integration cases: boots real images with the real monitor and looks at what comes out.
///
/// A static program of its own rather than a test bundle, so that the very same binary and cases run on the host's
/// /dev/kvm and inside the hardware lane's guest.
@main
struct Integration {
  static func main() {
    exit(run(Array(CommandArguments.all.dropFirst())))
  }

  private static func run(_ arguments: [String]) -> Int32 {
    switch arguments.first {
    case Unprivileged.mode: return Unprivileged.become(arguments: Array(arguments.dropFirst()))
    case Wire.mode: return Wire.run(arguments: Array(arguments.dropFirst()))
    case StandIn.mode: return StandIn.run(arguments: Array(arguments.dropFirst()))
    default: break
    }
    let options: Options
    do throws(UsageError) {
      options = try Options(arguments: arguments)
    } catch {
      Console.say("integration: \(error.message)", to: STDERR_FILENO)
      return ExitCode.usage
    }
    if options.showsHelp {
      Console.say(Options.help)
      return ExitCode.success
    }
    if options.listsTopics {
      for topic in Topic.all { Console.say(topic.name) }
      return ExitCode.success
    }
    if options.lists {
      for testCase in options.selection { Console.say("\(testCase.name): \(testCase.proves)") }
      return ExitCode.success
    }
    let needsKVM = [nil, .guest].contains(options.networkSubject) && options.selection.contains { $0.needsKVM }
    guard access("/dev/kvm", F_OK) == 0 || !needsKVM else {
      Console.say("integration: /dev/kvm: \(String(cString: strerror(linux_errno()))); no case was run")
      return ExitCode.noKVM
    }
    return run(options.selection, Session(options)) ? ExitCode.success : ExitCode.failure
  }

  private static func run(_ cases: [Case], _ session: Session) -> Bool {
    var passed = 0, failed = 0, skipped = 0
    for testCase in cases {
      switch testCase.run(session) {
      case nil:
        passed += 1
        Console.say("ok \(testCase.name)")
      case .failed(let explanation):
        failed += 1
        Console.say("not ok \(testCase.name): \(explanation)")
      case .skipped(let reason):
        skipped += 1
        Console.say("skipped \(testCase.name): \(reason)")
      }
    }
    Console.say("\(passed) passed, \(failed) failed, \(skipped) skipped")
    return failed == 0
  }
}

/// How this program ends.
enum ExitCode {
  static let success: Int32 = 0
  static let failure: Int32 = 1
  static let usage: Int32 = 2
  /// There is no /dev/kvm. Automake's convention for a test that could not run.
  static let noKVM: Int32 = 77
}

/// This program's own output, whole lines, unbuffered.
enum Console {
  static func say(_ line: String, to descriptor: Int32 = STDOUT_FILENO) {
    var text = line + "\n"
    text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && linux_errno() != EINTR { return }
        done += max(count, 0)
      }
    }
  }
}

/// The process's arguments. Embedded Swift has no `CommandLine`.
enum CommandArguments {
  static var all: [String] {
    #if hasFeature(Embedded)
      let vector = linux_argument_vector()!
      var arguments: [String] = []
      while let bytes = vector[arguments.count] { arguments.append(String(cString: bytes)) }
      return arguments
    #else
      return CommandLine.arguments
    #endif
  }
}
