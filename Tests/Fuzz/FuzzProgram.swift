import CLinux

/// One thing to fuzz.
struct FuzzTarget: Sendable {
  let name: String
  /// Does with an input what the target is about; ends the process if anything is wrong.
  let run: @Sendable (UnsafeRawBufferPointer) -> Void
}

/// libFuzzer's own entry (LLVM's FuzzerInterface.h).
@_extern(c, "LLVMFuzzerRunDriver")
private func runLibFuzzer(
  _ argumentCount: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ testOneInput: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// All fuzz targets in one program, so that they are built once: `fuzz TARGET [OPTION or INPUT ...]`, as libFuzzer has them.
@main
enum FuzzProgram {
  nonisolated(unsafe) static var target: FuzzTarget?

  static let targets = [
    queueTarget, transportTarget, entropyTarget, consoleTarget, blockTarget, networkTarget, driverTarget,
    networkDriverTarget, inputTarget, storageTarget, frameTarget, dhcpTarget, dnsTarget, httpTarget,
  ]

  static func main() {
    var count = CommandLine.argc
    let arguments = CommandLine.unsafeArgv
    let names = targets.map { $0.name }
    guard count > 1, let name = arguments[1].map({ String(cString: $0) }),
      let chosen = targets.first(where: { $0.name == name })
    else {
      print(names.joined(separator: "\n"))
      exit(count > 1 ? 2 : 0)
    }
    restartAsNeeded(arguments)
    target = chosen
    // libFuzzer sees its own arguments only.
    for index in 1..<Int(count) { arguments[index] = arguments[index + 1] }
    count -= 1
    var start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments
    exit(
      runLibFuzzer(&count, &start) { bytes, count in
        FuzzProgram.target!.run(UnsafeRawBufferPointer(start: bytes, count: count))
        return 0
      })
  }
}

/// Begins again with what Swift's runtime is told by the environment alone: no words of its own about a crash, which would
/// keep libFuzzer from saving the input, and which AddressSanitizer does not survive; and the same order of what is
/// hashed, each time.
private func restartAsNeeded(_ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
  guard getenv("SWIFT_DETERMINISTIC_HASHING") == nil else { return }
  setenv("SWIFT_BACKTRACE", "enable=no", 1)
  setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
  execv("/proc/self/exe", arguments)
  fatalError("execv")
}

/// What a fuzz target asserts; also in optimised builds.
@inline(__always)
func require(_ condition: @autoclosure () -> Bool, _ words: @autoclosure () -> String) {
  if !condition() { fatalError(words()) }
}
