import CLinux

/// `boot-benchmark`: what a boot costs, from spawn to exit, beside what nothing and what the least possible costs.
@main
struct BootBenchmark {
  static func main() {
    let options: Options
    do throws(BenchmarkError) {
      options = try Options(arguments: arguments())
    } catch {
      fail(error, status: 2)
    }
    guard !options.showsHelp else {
      print(Options.help, terminator: "")
      return
    }
    do throws(BenchmarkError) {
      let results = try Results(options)
      let goals = Goal.all(results, systemCalls: options.systemCalls)
      print(results.markdown(goals), terminator: "")
      if let path = options.jsonPath { try write(results.json(goals), to: path) }
    } catch {
      fail(error, status: 1)
    }
  }

  private static func arguments() -> [String] {
    #if hasFeature(Embedded)
      (1..<max(Int(linux_argument_count()), 1)).map { String(cString: linux_argument_vector()[$0]!) }
    #else
      Array(CommandLine.arguments.dropFirst())
    #endif
  }

  private static func write(_ text: String, to path: String) throws(BenchmarkError) {
    let descriptor = linux_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw BenchmarkError(call: "open \(path)") }
    defer { close(descriptor) }
    var text = text
    let isWritten = text.withUTF8 { CLinux.write(descriptor, $0.baseAddress, $0.count) == $0.count }
    guard isWritten else { throw BenchmarkError(call: "write \(path)") }
  }

  private static func fail(_ error: BenchmarkError, status: Int32) -> Never {
    var text = "boot-benchmark: \(error.message)\n"
    text.withUTF8 { _ = CLinux.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    exit(status)
  }
}
