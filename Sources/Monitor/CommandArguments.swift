#if hasFeature(Embedded)
  import CLinux

  /// The process's arguments. Embedded Swift has no `CommandLine`.
  enum CommandArguments {
    static var all: [String] {
      get throws(UsageError) {
        let vector = linux_argument_vector()!
        var arguments: [String] = []
        while let bytes = vector[arguments.count] {
          // Repaired, an argument would name another file, or tell the guest something else.
          guard let argument = String(validatingCString: bytes) else {
            throw UsageError("argument \(arguments.count) is not UTF-8: '\(String(cString: bytes))'")
          }
          arguments.append(argument)
        }
        return arguments
      }
    }
  }
#else
  /// The process's arguments.
  enum CommandArguments {
    static var all: [String] {
      // The other build can throw here.
      get throws(UsageError) { CommandLine.arguments }
    }
  }
#endif
