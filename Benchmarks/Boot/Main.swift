import BenchmarkSupport

/// `boot-benchmark`: what a boot costs, from spawn to exit, beside what nothing and what the least possible costs.
@main
struct BootBenchmark {
  static func main() {
    let options: Options
    do throws(BenchmarkError) {
      options = try Options()
    } catch {
      fail("boot-benchmark", error, status: 2)
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
      fail("boot-benchmark", error, status: 1)
    }
  }
}
