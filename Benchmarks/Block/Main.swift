import BenchmarkSupport

/// `block-benchmark`: what a guest gets of a disk, beside what fio gets of the same file in a Linux process.
@main
struct BlockBenchmark {
  static func main() {
    let options: Options
    do throws(BenchmarkError) {
      options = try Options()
    } catch {
      fail("block-benchmark", error, status: 2)
    }
    guard !options.showsHelp else {
      print(Options.help, terminator: "")
      return
    }
    do throws(BenchmarkError) {
      let results = try Results(options)
      print(results.markdown(), terminator: "")
      if let path = options.jsonPath { try write(results.json(), to: path) }
    } catch {
      fail("block-benchmark", error, status: 1)
    }
  }
}
