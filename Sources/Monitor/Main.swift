import Machine

/// `needletail`: options and exit statuses over `Machine`, nothing else.
@main
struct Needletail {
  static func main() {
    let timeline = Timeline()
    StandardStreams.open()
    let status: ExitStatus
    do throws(UsageError) {
      let command = try Command(arguments: try CommandArguments.all)
      switch command {
      case .run(let options): status = RunCommand(options: options, timeline: timeline).execute()
      case .inspect(let path): status = InspectCommand(path: path).execute()
      case .check: status = CheckCommand().execute()
      case .help(let topic): status = print(topic.text)
      case .version: status = print("needletail \(Version.number)\n")
      }
    } catch {
      StandardError.write("needletail: \(error.message)\n")
      status = .monitorFailure
    }
    status.exit()
  }

  private static func print(_ text: String) -> ExitStatus {
    StandardOutput.write(text) ? .success : .monitorFailure
  }
}

/// The release, as `--version` prints it.
enum Version {
  static let number = "0.1.0"
}
