import Machine
import Testing

@testable import Monitor

/// The command line.
@Suite struct CommandTests {
  private func parse(_ words: String...) throws(UsageError) -> Command {
    try Command(arguments: ["needletail"] + words)
  }

  private static func run(
    _ arguments: [String] = ["a.elf"], memory: UInt64? = nil, aslr: Bool = true, blocks: [BlockAttachment] = [],
    initrd: String? = nil, commandLine: String? = nil, report: String? = nil
  ) -> Command {
    .run(
      RunOptions(
        memorySize: memory, randomizesAddresses: aslr, blockDevices: blocks, initrdPath: initrd,
        kernelCommandLine: commandLine, reportPath: report, arguments: arguments))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let words: [String]
    let command: Command

    init(_ words: [String], _ command: Command) {
      self.words = words
      self.command = command
    }

    var testDescription: String { words.joined(separator: " ") }
  }

  static let accepted = [
    Case(["run", "a.elf"], run()),
    // Every option, in each of its forms.
    Case(["run", "--memory", "8M", "a.elf"], run(memory: 8 << 20)),
    Case(["run", "--memory=8M", "a.elf"], run(memory: 8 << 20)),
    Case(["run", "-m", "8M", "a.elf"], run(memory: 8 << 20)),
    Case(["run", "-m=8M", "a.elf"], run(memory: 8 << 20)),
    Case(
      ["run", "--block", "data=d.img", "--block=log=/x/l,ro", "a.elf"],
      run(blocks: [.init(name: "data", path: "d.img"), .init(name: "log", path: "/x/l", isReadOnly: true)])),
    Case(
      ["run", "--block", "d=a=b,c,direct,ro", "a.elf"],
      run(blocks: [.init(name: "d", path: "a=b,c", isReadOnly: true, isDirect: true)])),
    Case(["run", "--report", "r.json", "a.elf"], run(report: "r.json")),
    Case(["run", "--report=r.json", "a.elf"], run(report: "r.json")),
    Case(["run", "--report", "-", "a.elf"], run(report: "-")),
    Case(["run", "--report=-", "a.elf"], run(report: "-")),
    Case(["run", "--report=a=b", "a.elf"], run(report: "a=b")),
    Case(["run", "--initrd", "i.gz", "vmlinux"], run(["vmlinux"], initrd: "i.gz")),
    Case(["run", "--cmdline=a=b c", "vmlinux"], run(["vmlinux"], commandLine: "a=b c")),
    Case(["run", "--cmdline", "", "vmlinux"], run(["vmlinux"], commandLine: "")),
    Case(["run", "--no-aslr", "a.elf"], run(aslr: false)),
    Case(["run", "--help"], .help(.run)),
    Case(["run", "-h"], .help(.run)),
    Case(["run", "--version"], .version),
    Case(["run", "-V"], .version),
    // Together, and the last one counts.
    Case(
      ["run", "--no-aslr", "-m", "1G", "--report", "r", "--no-aslr", "--memory=2G", "a.elf"],
      run(memory: 2 << 30, aslr: false, report: "r")),
    // An option's value may look like an option.
    Case(["run", "--report", "--no-aslr", "a.elf"], run(report: "--no-aslr")),
    // What is behind the image is the guest's.
    Case(["run", "a.elf", "--memory", "x"], run(["a.elf", "--memory", "x"])),
    Case(["run", "a.elf", "-h", "--", "-", ""], run(["a.elf", "-h", "--", "-", ""])),
    Case(["run", "--", "--memory"], run(["--memory"])),
    Case(["run", "--no-aslr", "--", "-m", "-h"], run(["-m", "-h"], aslr: false)),
    Case(["run", "--", "--"], run(["--"])),
    Case(["run", "--", "a.elf", "--"], run(["a.elf", "--"])),
    Case(["run", "-", "x"], run(["-", "x"])),
    Case(["run", ""], run([""])),
    Case(["inspect", "a.elf"], .inspect(path: "a.elf")),
    Case(["inspect", "--", "--help"], .inspect(path: "--help")),
    Case(["inspect", "-"], .inspect(path: "-")),
    Case(["inspect", "--help"], .help(.inspect)),
    Case(["inspect", "-h"], .help(.inspect)),
    Case(["check"], .check),
    Case(["check", "--help"], .help(.check)),
    Case(["check", "-h"], .help(.check)),
    Case(["help"], .help(.overview)),
    Case(["help", "run"], .help(.run)),
    Case(["help", "inspect"], .help(.inspect)),
    Case(["help", "check"], .help(.check)),
    Case(["--help"], .help(.overview)),
    Case(["-h"], .help(.overview)),
    Case(["--version"], .version),
    Case(["-V"], .version),
  ]

  @Test(arguments: accepted) func accepts(_ sample: Case) throws {
    let command = try Command(arguments: ["needletail"] + sample.words)
    #expect(command == sample.command)
  }

  static let refused: [(words: [String], message: String)] = [
    ([], "no command given; see 'needletail --help'"),
    (["start"], "unknown command 'start'; see 'needletail --help'"),
    ([""], "unknown command ''; see 'needletail --help'"),
    (["--verbose"], "unknown option '--verbose'; see 'needletail --help'"),
    (["-"], "unknown option '-'; see 'needletail --help'"),
    (["a.elf"], "unknown command 'a.elf'; see 'needletail --help'"),
    (["run"], "run: no image given; see 'needletail run --help'"),
    (["run", "--"], "run: no image given; see 'needletail run --help'"),
    (["run", "--no-aslr"], "run: no image given; see 'needletail run --help'"),
    (["run", "--memory"], "run: option --memory needs a value: a size such as 64M"),
    (["run", "-m"], "run: option -m needs a value: a size such as 64M"),
    (["run", "--report"], "run: option --report needs a value: a file's path, or - for standard error"),
    (["run", "--initrd"], "run: option --initrd needs a value: a file's path"),
    (["run", "--cmdline"], "run: option --cmdline needs a value: a kernel's command line"),
    (["run", "--memory="], "run: --memory is ''; expected a number with K, M or G, such as 64M"),
    (["run", "-m", "many", "a"], "run: -m is 'many'; expected a number with K, M or G, such as 64M"),
    (["run", "--memory", "1M", "a"], "run: --memory is '1M'; expected a multiple of 4K from 2M to 16G"),
    (["run", "--block"], "run: option --block needs a value: NAME=PATH[,ro][,direct]"),
    (["run", "--block", "data", "a"], "run: --block is 'data'; expected NAME=PATH[,ro][,direct]"),
    (["run", "--block", "=x", "a"], "run: --block is '=x'; expected NAME=PATH[,ro][,direct]"),
    (["run", "--block", "d=,ro", "a"], "run: --block is 'd=,ro'; expected a path behind 'd='"),
    (
      ["run", "--block", "d=x", "--block", "d=y", "a"],
      "run: --block names 'd' twice; expected each device once"
    ),
    (["run", "--no-aslr=1", "a"], "run: option --no-aslr takes no value; got '1'"),
    (["run", "--no-aslr=", "a"], "run: option --no-aslr takes no value; got ''"),
    (["run", "--help=x"], "run: option --help takes no value; got 'x'"),
    (["run", "--version=x"], "run: option --version takes no value; got 'x'"),
    (["run", "--fast", "a"], "run: unknown option '--fast'; see 'needletail run --help'"),
    (["run", "--fast=1", "a"], "run: unknown option '--fast=1'; see 'needletail run --help'"),
    (["run", "-m64M", "a"], "run: unknown option '-m64M'; see 'needletail run --help'"),
    (["run", "--Memory", "64M", "a"], "run: unknown option '--Memory'; see 'needletail run --help'"),
    (["run", "--=", "a"], "run: unknown option '--='; see 'needletail run --help'"),
    (["inspect"], "inspect: no image given; see 'needletail inspect --help'"),
    (["inspect", "--"], "inspect: no image given; see 'needletail inspect --help'"),
    (["inspect", "--all"], "inspect: unknown option '--all'; see 'needletail inspect --help'"),
    (["inspect", "a", "b"], "inspect: expected one image; got 'b' as well"),
    (["inspect", "--", "a", "b"], "inspect: expected one image; got 'b' as well"),
    (["check", "x"], "check: expected no arguments; got 'x'"),
    (["check", "--all"], "check: expected no arguments; got '--all'"),
    (["help", "stop"], "help: no command 'stop'; see 'needletail --help'"),
  ]

  @Test(arguments: refused) func refuses(words: [String], message: String) {
    let error = #expect(throws: UsageError.self) { try Command(arguments: ["needletail"] + words) }
    #expect(error?.message == message)
  }

  /// A process may be started without even its name.
  @Test func noArgumentsAtAll() {
    #expect(throws: UsageError("no command given; see 'needletail --help'")) { try Command(arguments: []) }
  }
}

@Suite struct MemorySizeTests {
  @Test(
    arguments: [
      ("2097152", 2 << 20), ("2048K", 2 << 20), ("2048k", 2 << 20), ("2M", 2 << 20), ("2m", 2 << 20), ("16G", 16 << 30),
      ("16g", 16 << 30), ("1G", 1 << 30), ("2052K", 2052 << 10), ("0064M", 64 << 20), ("16384M", 16 << 30),
      ("17179869184", 16 << 30), ("00000000000000000000000000000064M", 64 << 20),
    ] as [(String, UInt64)])
  func sizes(text: String, size: UInt64) throws {
    let parsed = try MemorySize.parse(text, option: "--memory")
    #expect(parsed == size)
  }

  @Test(arguments: [
    "", "K", "M", "G", "-64M", "+64M", " 64M", "64M ", "64 M", "64MB", "64MiB", "64T", "0x40M", "6.4M", "64,0M", "1e9",
    "٦٤M", "64K\u{301}", "KK", "64MM", "M64", "６４M", "64\0M",
  ])
  func noNumbers(_ text: String) {
    #expect(
      throws: UsageError("run: --memory is '\(text)'; expected a number with K, M or G, such as 64M")
    ) { try MemorySize.parse(text, option: "--memory") }
  }

  @Test(arguments: [
    "0", "0K", "1", "4096", "2047K", "1M", "2049K", "2097153", "2098176", "17G", "16777220K", "17179873280",
  ])
  func notPossible(_ text: String) {
    #expect(throws: UsageError("run: -m is '\(text)'; expected a multiple of 4K from 2M to 16G")) {
      try MemorySize.parse(text, option: "-m")
    }
  }

  /// 2^64 bytes and more, with and without a unit.
  @Test(arguments: [
    "18446744073709551616", "99999999999999999999999", "18014398509481984K", "17592186044416M", "17179869184G",
    "18446744073709551615G", "18446744073709551616G",
  ])
  func overflow(_ text: String) {
    #expect(throws: UsageError("run: --memory is '\(text)'; expected at most 16G")) {
      try MemorySize.parse(text, option: "--memory")
    }
  }
}

/// Which of the two kinds of guest options are for.
@Suite struct RunOptionsTests {
  private func options(_ words: String...) throws -> RunOptions {
    guard case .run(let options) = try Command(arguments: ["needletail", "run"] + words) else {
      throw UsageError("not run")
    }
    return options
  }

  @Test func kinds() throws {
    #expect(try !options("a.elf").isForLinux)
    #expect(try options("--initrd", "i", "vmlinux").isForLinux)
    #expect(try options("--cmdline", "", "vmlinux").isForLinux)
    #expect(try options("--memory", "1G", "--block", "d=x", "--report", "-", "vmlinux").forImagesAlone == nil)
    #expect(try options("--no-aslr", "vmlinux").forImagesAlone == "--no-aslr")
    #expect(try options("vmlinux", "single").forImagesAlone == "the argument 'single'")
  }
}
