import Machine

/// What the command line asks for.
enum Command: Equatable {
  case run(RunOptions)
  case inspect(path: String)
  case check
  case help(HelpTopic)
  case version

  /// - Parameter arguments: the process's, its own name first.
  init(arguments: [String]) throws(UsageError) {
    var rest = arguments.dropFirst()
    guard let name = rest.popFirst() else { throw UsageError("no command given; see 'needletail --help'") }
    switch name {
    case "run": self = try Self.parseRun(rest)
    case "inspect": self = try Self.parseInspect(rest)
    case "check": self = try Self.parseCheck(rest)
    case "help": self = .help(try Self.topic(rest))
    case "-h", "--help": self = .help(.overview)
    case "-V", "--version": self = .version
    default:
      throw UsageError("unknown \(name.hasPrefix("-") ? "option" : "command") '\(name)'; see 'needletail --help'")
    }
  }

  private static func parseRun(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
    var options = RunOptions()
    var rest = arguments
    var publications: [PublishOption] = []
    var captures: [CaptureOption] = []
    while let argument = rest.first, argument.hasPrefix("-"), argument != "-" {
      rest.removeFirst()
      if argument == "--" { break }
      // `--option VALUE` and `--option=VALUE` are the same.
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      var inline: String? = parts.count > 1 ? String(parts[1]) : nil
      func value(_ expected: StaticString) throws(UsageError) -> String {
        if let given = inline {
          inline = nil
          return given
        }
        guard let next = rest.popFirst() else { throw UsageError("run: option \(name) needs a value: \(expected)") }
        return next
      }
      switch name {
      case "--memory", "-m":
        options.memorySize = try MemorySize.parse(try value("a size such as 64M"), option: name)
      case "--block":
        let attachment = try BlockOption.parse(try value("NAME=PATH[,ro][,direct]"))
        guard !options.blockDevices.contains(where: { $0.name == attachment.name }) else {
          throw UsageError("run: --block names '\(attachment.name)' twice; expected each device once")
        }
        options.blockDevices.append(attachment)
      case "--net":
        let attachment = try NetworkOption.parse(try value(NetworkOption.expected))
        guard !options.networks.contains(where: { $0.name == attachment.name }) else {
          throw UsageError("run: --net names '\(attachment.name)' twice; expected each interface once")
        }
        options.networks.append(attachment)
      case "--publish", "-p": publications.append(try PublishOption(try value(PublishOption.expected)))
      case "--pcap": captures.append(CaptureOption(try value(CaptureOption.expected)))
      case "--report": options.reportPath = try value("a file's path, or - for standard error")
      case "--initrd": options.initrdPath = try value("a file's path")
      case "--cmdline": options.kernelCommandLine = try value("a kernel's command line")
      case "--no-aslr": options.randomizesAddresses = false
      case "--help", "-h": if inline == nil { return .help(.run) }
      case "--version", "-V": if inline == nil { return .version }
      default: throw UsageError("run: unknown option '\(argument)'; see 'needletail run --help'")
      }
      if let inline { throw UsageError("run: option \(name) takes no value; got '\(inline)'") }
    }
    // They may stand before the interface that they are for.
    for publication in publications { try publication.apply(to: &options.networks) }
    for capture in captures { try capture.apply(to: &options.networks) }
    guard !rest.isEmpty else { throw UsageError("run: no image given; see 'needletail run --help'") }
    options.arguments = Array(rest)
    return .run(options)
  }

  private static func parseInspect(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
    var rest = arguments
    guard let first = rest.popFirst() else {
      throw UsageError("inspect: no image given; see 'needletail inspect --help'")
    }
    if first == "--help" || first == "-h" { return .help(.inspect) }
    var path = first
    if first == "--" {
      guard let next = rest.popFirst() else {
        throw UsageError("inspect: no image given; see 'needletail inspect --help'")
      }
      path = next
    } else if first.hasPrefix("-"), first != "-" {
      throw UsageError("inspect: unknown option '\(first)'; see 'needletail inspect --help'")
    }
    if let extra = rest.first { throw UsageError("inspect: expected one image; got '\(extra)' as well") }
    return .inspect(path: path)
  }

  private static func parseCheck(_ arguments: ArraySlice<String>) throws(UsageError) -> Command {
    guard let first = arguments.first else { return .check }
    if first == "--help" || first == "-h" { return .help(.check) }
    throw UsageError("check: expected no arguments; got '\(first)'")
  }

  private static func topic(_ arguments: ArraySlice<String>) throws(UsageError) -> HelpTopic {
    switch arguments.first {
    case nil: return .overview
    case "run": return .run
    case "inspect": return .inspect
    case "check": return .check
    case let name?: throw UsageError("help: no command '\(name)'; see 'needletail --help'")
    }
  }
}

/// A command line that makes no sense.
struct UsageError: Error, Equatable {
  /// One line: what, the value, what was expected.
  let message: String

  init(_ message: String) {
    self.message = message
  }
}
