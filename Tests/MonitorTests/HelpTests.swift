import CLinux
import Machine
import Testing

@testable import Monitor

/// What `--help` prints.
@Suite struct HelpTests {
  static let topics: [HelpTopic] = [.overview, .run, .inspect, .check]

  @Test(arguments: topics) func fitsATerminal(_ topic: HelpTopic) {
    for line in topic.text.split(separator: "\n", omittingEmptySubsequences: false) {
      #expect(line.count <= 120, "\(line)")
      #expect(line.last?.isWhitespace != true, "\(line)")
      #expect(!line.contains("\t"), "\(line)")
    }
    #expect(topic.text.hasSuffix("\n"))
    #expect(!topic.text.hasSuffix("\n\n"))
  }

  @Test(arguments: topics) func hasItsParts(_ topic: HelpTopic) {
    #expect(topic.text.hasPrefix("needletail"))
    #expect(topic.text.contains("\nUSAGE\n"))
    #expect(topic.text.contains("\nEXIT STATUS\n"))
  }

  /// Each option that the parser takes is explained, and nothing that it does not take.
  @Test func runsOptions() throws {
    let options = [
      "--memory", "-m", "--block", "--net", "--publish", "-p", "--pcap", "--initrd", "--cmdline", "--report",
      "--no-aslr", "--help", "-h", "--version", "-V",
    ]
    let text = HelpTopic.run.text
    let mentioned = text.split { " ,;\n".contains($0) }.filter { $0.hasPrefix("-") && $0.count > 1 }.map(String.init)
    #expect(Set(mentioned) == Set(options))
    for option in options {
      let value =
        switch option {
        case "--memory", "-m": "64M"
        case "--block": "data=disk"
        case "--net": "net=passt"
        case "--publish", "-p": "8080:80"
        default: "a"
        }
      // Some are about an interface that there has to be.
      let words = ["run", "--net", "lan=passt", option, value, "a"]
      _ = try Command(arguments: ["needletail"] + words)
    }
  }

  @Test func overviewNamesEveryCommand() {
    for command in ["run", "inspect", "check", "help", "--version"] {
      #expect(HelpTopic.overview.text.contains("\n  needletail \(command)"), "\(command)")
    }
  }

  /// The statuses of the help texts are those of the program.
  @Test func exitStatuses() {
    #expect(ExitStatus.monitorFailure.code == 125)
    #expect(ExitStatus.imageNotAcceptable.code == 126)
    #expect(ExitStatus.imageNotFound.code == 127)
    #expect(ExitStatus.guestPanic.code == 134)
    #expect(ExitStatus.consoleClosed.code == 141)
    #expect(ExitStatus.stopped(by: SIGINT).code == 130)
    #expect(ExitStatus.stopped(by: SIGTERM).code == 143)
    for topic in [HelpTopic.overview, .run] {
      for status in ["125", "126", "127", "134", "141", "130, 143"] {
        #expect(topic.text.contains("\n  \(status) "), "\(status)")
      }
    }
    #expect(ExitStatus.success.code == 0)
    #expect(ExitStatus.negativeFinding.code == 1)
  }
}

/// `needletail inspect` and `check` as a shell sees them.
@Suite struct CommandStatusTests {
  @Test func inspectingWhatIsNotThere() async {
    // In a process of its own: it prints.
    await #expect(processExitsWith: .success) {
      #expect(InspectCommand(path: "/nonexistent/image.elf").execute() == .imageNotFound)
      #expect(InspectCommand(path: "/").execute() == .imageNotAcceptable)
      #expect(InspectCommand(path: "/dev/null").execute() == .imageNotAcceptable)
    }
  }

  @Test func runningWhatIsNotThere() async {
    await #expect(processExitsWith: .success) {
      var options = RunOptions()
      options.arguments = ["/nonexistent/image.elf"]
      #expect(RunCommand(options: options, timeline: Timeline()).execute() == .imageNotFound)
      options.arguments = ["/dev/null"]
      #expect(RunCommand(options: options, timeline: Timeline()).execute() == .imageNotAcceptable)
      options.reportPath = "/nonexistent/report.json"
      #expect(RunCommand(options: options, timeline: Timeline()).execute() == .monitorFailure)
    }
  }

  @Test func checkSaysWhetherItCan() async {
    await #expect(processExitsWith: .success) {
      let canOpen = access("/dev/kvm", R_OK | W_OK) == 0
      let status = CheckCommand().execute()
      if !canOpen { #expect(status == .negativeFinding) }
      #expect(status == .success || status == .negativeFinding)
    }
  }

  @Test func standardOutputThatIsFull() async {
    await #expect(processExitsWith: .success) {
      let full = linux_open("/dev/full", O_WRONLY, 0)
      #expect(dup2(full, STDOUT_FILENO) == STDOUT_FILENO)
      #expect(InspectCommand(path: "/dev/null").execute() == .monitorFailure)
      #expect(CheckCommand().execute() == .monitorFailure)
    }
  }
}
