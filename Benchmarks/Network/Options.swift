import BenchmarkSupport

/// What the command line says.
struct Options {
  /// Where the monitor and the images are.
  var products = "out"
  /// The example `http` built for Linux; without it there is one row less.
  var hosted: String?
  var jsonPath: String?
  var rounds = 7
  var seconds = 2
  var bootRounds = 100
  var churnSeconds = 30
  /// Only this part; nil is all.
  var part: Part?
  var showsHelp = false
  /// Not for people: this program as Linux's side of a load.
  var peerService: Peer.Service?

  enum Part: String {
    case requests, bulk, roundTrips = "round-trips", boot, idle, churn, setUps = "set-ups"
  }

  static let help = """
    usage: network-benchmark [options]

      --products DIR         where needletail, http.elf and net-probe.elf are; 'out' if not given
      --hosted FILE          the example http as a Linux program
      --rounds N             how often each load is run, 7 if not given
      --seconds N            how long wrk runs, 2 if not given
      --boot-rounds N        how often a machine is started to its first answer, 100 if not given
      --churn-seconds N      how long short connections are made, 30 if not given
      --part PART            only requests, bulk, round-trips, boot, idle, churn or set-ups
      --json FILE            write the results there too

    Makes its interfaces in the network namespace that it is run in; Benchmarks/run makes one. Prints tables in Markdown.
    Exit status: 0 whatever the figures, 1 if something could not be measured, 2 usage.

    """

  init() throws(BenchmarkError) {
    var reader = OptionReader()
    while let argument = reader.next() {
      switch argument {
      case "--products": products = try reader.value(of: argument)
      case "--hosted": hosted = try reader.value(of: argument)
      case "--rounds": rounds = try reader.number(of: argument)
      case "--seconds": seconds = try reader.number(of: argument)
      case "--boot-rounds": bootRounds = try reader.number(of: argument)
      case "--churn-seconds": churnSeconds = try reader.number(of: argument)
      case "--json": jsonPath = try reader.value(of: argument)
      case "--part":
        let name = try reader.value(of: argument)
        guard let part = Part(rawValue: name) else { throw BenchmarkError("--part is '\(name)'; see --help") }
        self.part = part
      case "--be-peer":
        let name = try reader.value(of: argument)
        peerService = Peer.Service(rawValue: name)
        guard peerService != nil else { throw BenchmarkError("--be-peer is '\(name)'") }
      case "--help", "-h": showsHelp = true
      default: throw BenchmarkError("unknown option '\(argument)'; see --help")
      }
    }
  }

  func measures(_ part: Part) -> Bool { self.part == nil || self.part == part }
}
