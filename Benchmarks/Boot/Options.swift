import BenchmarkSupport

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

  init() throws(BenchmarkError) {
    var reader = OptionReader()
    while let argument = reader.next() {
      switch argument {
      case "--products": products = try reader.value(of: argument)
      case "--hosted": hosted = try reader.value(of: argument)
      case "--qemu": qemu = try reader.value(of: argument)
      case "--system-calls": systemCalls = try reader.number(of: argument)
      case "--rounds": rounds = try reader.number(of: argument)
      case "--json": jsonPath = try reader.value(of: argument)
      case "--help", "-h": showsHelp = true
      default: throw BenchmarkError("unknown option '\(argument)'; see --help")
      }
    }
  }
}
