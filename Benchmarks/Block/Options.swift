import BenchmarkSupport

/// What the command line says.
struct Options {
  /// Where the monitor and the images are.
  var products = "out"
  /// The file that is the disk: written to, and as large as the disk should be.
  var file = ""
  var fio = "/usr/bin/fio"
  var strace = "/usr/bin/strace"
  var jsonPath: String?
  var rounds = 11
  var bootRounds = 400
  var showsHelp = false

  static let help = """
    usage: block-benchmark --file FILE [options]

      --file FILE        the disk: a file of some 100 MiB or more whose contents may be overwritten
      --products DIR     where needletail, block-load.elf, idle-disk.elf and hello.elf are; 'out' if not given
      --fio FILE         fio; /usr/bin/fio if not given
      --strace FILE      strace; /usr/bin/strace if not given
      --rounds N         how often each load is run, 11 if not given
      --boot-rounds N    how often hello is run with and without a disk, 400 if not given
      --json FILE        write the results there too

    Prints tables in Markdown. Exit status: 0 whatever the figures, 1 if something could not be measured, 2 usage.

    """

  init() throws(BenchmarkError) {
    var reader = OptionReader()
    while let argument = reader.next() {
      switch argument {
      case "--file": file = try reader.value(of: argument)
      case "--products": products = try reader.value(of: argument)
      case "--fio": fio = try reader.value(of: argument)
      case "--strace": strace = try reader.value(of: argument)
      case "--rounds": rounds = try reader.number(of: argument)
      case "--boot-rounds": bootRounds = try reader.number(of: argument)
      case "--json": jsonPath = try reader.value(of: argument)
      case "--help", "-h": showsHelp = true
      default: throw BenchmarkError("unknown option '\(argument)'; see --help")
      }
    }
    if file.isEmpty, !showsHelp { throw BenchmarkError("no --file; see --help") }
  }
}
