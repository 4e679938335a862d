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
      case "--report": options.reportPath = try value("a file's path, or - for standard error")
      case "--no-aslr": options.randomizesAddresses = false
      case "--help", "-h": if inline == nil { return .help(.run) }
      case "--version", "-V": if inline == nil { return .version }
      default: throw UsageError("run: unknown option '\(argument)'; see 'needletail run --help'")
      }
      if let inline { throw UsageError("run: option \(name) takes no value; got '\(inline)'") }
    }
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

/// What `run` is told.
struct RunOptions: Equatable {
  var memorySize: UInt64 = 64 << 20
  var randomizesAddresses = true
  var blockDevices: [BlockAttachment] = []
  /// Where to write the report; "-" is standard error.
  var reportPath: String?
  /// The image, then the guest's own arguments.
  var arguments: [String] = []

  var imagePath: String { arguments[0] }
}

/// Block devices as the command line has them.
enum BlockOption {
  /// Reads `NAME=PATH`, and behind it `,ro` and `,direct` in any order. A path may have commas: only these words at its end
  /// are taken for options.
  static func parse(_ text: String) throws(UsageError) -> BlockAttachment {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else {
      throw UsageError("run: --block is '\(text)'; expected NAME=PATH[,ro][,direct]")
    }
    var attachment = BlockAttachment(name: String(parts[0]), path: "")
    var path = parts[1]
    while true {
      if path.hasSuffix(",ro") {
        attachment.isReadOnly = true
        path = path.dropLast(3)
      } else if path.hasSuffix(",direct") {
        attachment.isDirect = true
        path = path.dropLast(7)
      } else {
        break
      }
    }
    guard !path.isEmpty else { throw UsageError("run: --block is '\(text)'; expected a path behind '\(parts[0])='") }
    attachment.path = String(path)
    return attachment
  }
}

/// Sizes as the command line has them.
enum MemorySize {
  /// Bytes, from a decimal number with an optional K, M or G (powers of 1024). Whether a machine can have so much is not
  /// decided here.
  static func parse(_ text: String, option: String) throws(UsageError) -> UInt64 {
    var digits = text[...]
    var unit: UInt64 = 1
    switch digits.last {
    case "K", "k": unit = 1 << 10
    case "M", "m": unit = 1 << 20
    case "G", "g": unit = 1 << 30
    default: break
    }
    if unit > 1 { digits.removeLast() }
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { 0x30...0x39 ~= $0 }
    guard isNumber else {
      throw UsageError("run: \(option) is '\(text)'; expected a number with K, M or G, such as 64M")
    }
    guard let number = UInt64(digits) else { throw tooLarge(text, option) }
    let (size, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw tooLarge(text, option) }
    let smallest = MachineConfiguration.memorySizes.lowerBound, largest = MachineConfiguration.memorySizes.upperBound
    guard size >= smallest, size <= largest, size % 4096 == 0 else {
      throw UsageError(
        "run: \(option) is '\(text)'; expected a multiple of 4K from \(smallest >> 20)M to \(largest >> 30)G")
    }
    return size
  }

  private static func tooLarge(_ text: String, _ option: String) -> UsageError {
    UsageError("run: \(option) is '\(text)'; expected at most \(MachineConfiguration.memorySizes.upperBound >> 30)G")
  }
}
