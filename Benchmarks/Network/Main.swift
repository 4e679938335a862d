import BenchmarkSupport
import CLinux

/// `network-benchmark`: what a guest serves and carries over a TAP device, beside Linux in a namespace of its own.
@main
struct NetworkBenchmark {
  static func main() {
    let options: Options
    do throws(BenchmarkError) {
      options = try Options()
    } catch {
      fail("network-benchmark", error, status: 2)
    }
    guard !options.showsHelp else {
      print(Options.help, terminator: "")
      return
    }
    do throws(BenchmarkError) {
      if let service = options.peerService {
        try Peer.serve(service)
        return
      }
      linux_raise_descriptor_limit()
      let results = try Results(options)
      print(results.markdown(), terminator: "")
      if let path = options.jsonPath { try write(results.json(), to: path) }
    } catch {
      fail("network-benchmark", error, status: 1)
    }
  }
}
