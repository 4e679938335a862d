import CLinux

/// Starting a program as a user without any rights: this program starts itself in a mode that becomes that user and then
/// the program.
enum Unprivileged {
  /// The first argument that selects the mode; not for people, so `--help` does not have it.
  static let mode = "--become-unprivileged"

  /// "nobody" on Debian, and by convention everywhere the identifier that owns nothing.
  private static let user: uid_t = 65534

  /// Only root can become another user.
  static var isPossible: Bool { geteuid() == 0 }

  static let impossible = Verdict.skipped("this process is not root's, so it cannot become an unprivileged user")

  static func command(_ arguments: [String]) -> [String] { ["/proc/self/exe", mode] + arguments }

  /// Does not return if all goes well.
  static func become(arguments: [String]) -> Int32 {
    guard setgid(user) == 0, setuid(user) == 0, !arguments.isEmpty else {
      Console.say("integration: cannot become user \(user)", to: STDERR_FILENO)
      return ExitCode.failure
    }
    let vector = CStrings(arguments)
    execv(arguments[0], vector.pointers)
    Console.say("integration: \(arguments[0]): \(String(cString: strerror(linux_errno())))", to: STDERR_FILENO)
    return ExitCode.failure
  }
}
