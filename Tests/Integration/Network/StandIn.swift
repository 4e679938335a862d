import CLinux

/// What the image `net-probe` does, done by a Linux process: this program in another mode, in another network namespace.
/// The cases run against it too, so that it shows whether a case or the machine's network is wrong.
enum StandIn {
  /// The first argument that selects the mode; not for people, so `--help` does not have it.
  static let mode = "--stand-in"

  /// Does what the words say; with a service among them, until it is told to stop.
  static func run(arguments: [String]) -> Int32 {
    do throws(Verdict) {
      linux_ignore_signal(SIGPIPE)
      var services = try StandInServices()
      var words = arguments[...]
      while let word = words.popFirst() { try obey(word, &words, &services) }
      Console.say("ready")
      try services.serve()
      return ExitCode.success
    } catch {
      if case .failed(let explanation) = error { Console.say("stand-in: \(explanation)", to: STDERR_FILENO) }
      return ExitCode.failure
    }
  }

  private static func obey(
    _ word: String, _ words: inout ArraySlice<String>, _ services: inout StandInServices
  ) throws(Verdict) {
    func number() throws(Verdict) -> Int {
      guard let text = words.popFirst(), let number = Int(text) else { throw .failed("'\(word)' needs a number") }
      return number
    }
    switch word {
    case "echo": try services.add(.echo, port: number())
    case "sink": try services.add(.sink, port: number())
    case "source":
      let port = try number()
      try services.add(.source(byteCount: number()), port: port)
    case "hold": try services.add(.hold, port: number())
    case "stop": try services.add(.stop, port: number())
    case "udp-echo": try services.addDatagramEcho(port: number())
    case "connect", "send":
      let host = words.popFirst() ?? ""
      let port = try number()
      try talk(to: host, port, byteCount: word == "send" ? number() : nil)
    default: throw .failed("'\(word)': not a word of net-probe that the stand-in knows")
    }
  }

  /// `connect` and `send`.
  private static func talk(to host: String, _ port: Int, byteCount: Int?) throws(Verdict) {
    let connection = try InternetSocket(startingTo: host, port: port)
    let code = try connection.outcome()
    guard code == 0 else {
      Console.say("connect: \(code == ECONNREFUSED ? "connection refused" : "unreachable")")
      return
    }
    Console.say("connected")
    if let byteCount {
      var stream = ExpectedStream()
      var rest = byteCount
      while rest > 0 {
        try connection.send(stream.next(min(rest, 1 << 16)))
        rest -= min(rest, 1 << 16)
      }
      connection.finishWriting()
    }
    let bytes = try connection.receiveToEnd()
    var hash = StreamHash()
    hash.add(bytes)
    Console.say("received \(bytes.count) \(hash.text)")
  }
}
