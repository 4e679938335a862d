#if hasFeature(Embedded)
  import CLinux

  /// The process's arguments. Embedded Swift has no `CommandLine`.
  enum CommandArguments {
    static var all: [String] {
      get throws(UsageError) {
        guard let vector = linux_argument_vector() else { return [] }
        var arguments: [String] = []
        for index in 0..<Int(linux_argument_count()) {
          // Repaired, an argument would name another file, or tell the guest something else.
          guard let argument = String(validatingCString: vector[index]!) else {
            throw UsageError("argument \(index) is not UTF-8: '\(String(cString: vector[index]!))'")
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
