/// What the command line says.
struct Options {
  /// Where the monitor, the images and what is measured beside them are.
  var products = "out"
  var hosted: String?
  var qemu: String?
  var systemCalls: Int?
  var jsonPath: String?
  var rounds = 500
  var showsHelp = false

  static let help = """
    usage: boot-benchmark [options]

      --products DIR     where needletail, hello.elf, clock.elf, floor and bare are; 'out' if not given
      --hosted FILE      hello built for Linux; left out if not given
      --qemu FILE        qemu-system-x86_64; left out if not given
      --system-calls N   how many a run of hello takes, counted by someone else; for the table of goals
      --rounds N         how often each program is run, 500 if not given
      --json FILE        write the results there too

    Prints tables in Markdown. Exit status: 0 whatever the figures, 1 if something could not be measured, 2 usage.

    """

  init(arguments: [String]) throws(BenchmarkError) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      switch argument {
      case "--products": products = try Self.value(of: argument, &rest)
      case "--hosted": hosted = try Self.value(of: argument, &rest)
      case "--qemu": qemu = try Self.value(of: argument, &rest)
      case "--system-calls": systemCalls = try Self.number(of: argument, &rest)
      case "--rounds": rounds = try Self.number(of: argument, &rest)
      case "--json": jsonPath = try Self.value(of: argument, &rest)
      case "--help", "-h": showsHelp = true
      default: throw BenchmarkError("unknown option '\(argument)'; see --help")
      }
    }
  }

  private static func value(of option: String, _ rest: inout ArraySlice<String>) throws(BenchmarkError) -> String {
    guard let value = rest.popFirst() else { throw BenchmarkError("\(option) needs a value; see --help") }
    return value
  }

  private static func number(of option: String, _ rest: inout ArraySlice<String>) throws(BenchmarkError) -> Int {
    let text = try value(of: option, &rest)
    guard let number = Int(text), number > 0 else {
      throw BenchmarkError("\(option) is '\(text)'; expected a number from 1")
    }
    return number
  }
}
