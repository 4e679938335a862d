/// What the command line says.
struct Options {
  var monitor = ""
  var images = ""
  var lane = Lane.kvm
  /// Where the hosted builds of the examples are; nil leaves their cases out.
  var hosted: String?
  /// QEMU; nil leaves the cases out that boot images with it.
  var emulator: String?
  /// Who the cases about the network are run against; nil leaves them out.
  var networkSubject: NetworkSubject?
  var lists = false
  var listsTopics = false
  var showsHelp = false
  var selection: [Case] = []

  static let help = """
    usage: integration --monitor PATH --images DIR [--lane kvm|hardware] [--hosted DIR] [--qemu PATH]
                       [--network guest|hosted|linux] [--list] [--list-topics] [--topic TOPIC]... [CASE...]

      --monitor PATH   the `needletail` to test
      --images DIR     where NAME.elf and NAME.stripped.elf are
      --lane LANE      kvm (default): this machine's /dev/kvm; hardware: inside the hardware lane's guest
      --hosted DIR     where the examples built for Linux are
      --qemu PATH      boot images without the monitor too, with this qemu-system-x86_64
      --network WHO    run the cases about the network too, in network namespaces: against a guest, against the
                       same program as a process (--hosted), or against a second Linux, to test the cases themselves.
                       Tests/Network/run makes the namespaces for this program; the hardware lane's guest is all its own
      --topic TOPIC    run the cases of this topic; may be given more than once
      --list-topics    print the topics, and run nothing
      --list           print the cases and what each proves, and run none

    Runs the selected cases, or all. Exit status: 0 all passed, 1 some failed, 2 usage, 77 there is no /dev/kvm.
    """

  init(arguments: [String]) throws(UsageError) {
    var rest = arguments[...]
    var names: [String] = []
    var topics: [String] = []
    while let argument = rest.popFirst() {
      switch argument {
      case "--monitor": monitor = try Self.value(of: argument, &rest)
      case "--images": images = try Self.value(of: argument, &rest)
      case "--hosted": hosted = try Self.value(of: argument, &rest)
      case "--qemu": emulator = try Self.value(of: argument, &rest)
      case "--lane":
        let name = try Self.value(of: argument, &rest)
        switch name {
        case "kvm": lane = .kvm
        case "hardware": lane = .hardware
        default: throw UsageError(message: "--lane is '\(name)'; expected kvm or hardware")
        }
      case "--network":
        let name = try Self.value(of: argument, &rest)
        switch name {
        case "guest": networkSubject = .guest
        case "hosted": networkSubject = .hosted
        case "linux": networkSubject = .linux
        default: throw UsageError(message: "--network is '\(name)'; expected guest, hosted or linux")
        }
      case "--topic": topics.append(try Self.value(of: argument, &rest))
      case "--list-topics": listsTopics = true
      case "--list": lists = true
      case "--help", "-h": showsHelp = true
      default:
        guard !argument.hasPrefix("-") else { throw UsageError(message: "unknown option '\(argument)'; see --help") }
        names.append(argument)
      }
    }
    guard !showsHelp else { return }
    selection = try Self.select(topics: topics, names: names)
    guard !lists, !listsTopics else { return }
    guard !monitor.isEmpty else { throw UsageError(message: "--monitor is missing; see --help") }
    guard !images.isEmpty else { throw UsageError(message: "--images is missing; see --help") }
  }

  private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(UsageError) -> String {
    guard let value = rest.popFirst() else { throw UsageError(message: "\(option) needs a value; see --help") }
    return value
  }

  private static func select(topics: [String], names: [String]) throws(UsageError) -> [Case] {
    let all = Topic.all.flatMap { $0.cases }
    guard !topics.isEmpty || !names.isEmpty else { return all }
    var selection: [Case] = []
    for name in topics {
      guard let topic = Topic.all.first(where: { $0.name == name }) else {
        let known = Topic.all.map { $0.name }.joined(separator: ", ")
        throw UsageError(message: "no topic is named '\(name)'; expected one of \(known)")
      }
      selection += topic.cases
    }
    for name in names {
      guard let testCase = all.first(where: { $0.name == name }) else {
        throw UsageError(message: "no case is named '\(name)'; see --list")
      }
      selection.append(testCase)
    }
    return selection
  }
}

/// A command line that makes no sense.
struct UsageError: Error {
  let message: String
}
