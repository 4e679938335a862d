#if hasFeature(Embedded)
  import CLinux

  /// The process's arguments. Embedded Swift has no `CommandLine`.
  enum CommandArguments {
    static var all: [String] {
      guard let vector = linux_argument_vector() else { return [] }
      return (0..<Int(linux_argument_count())).map { String(cString: vector[$0]!) }
    }
  }
#else
  /// The process's arguments.
  enum CommandArguments {
    static var all: [String] { CommandLine.arguments }
  }
#endif
