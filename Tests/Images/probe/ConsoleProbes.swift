import GuestKernel
import ProbeSupport

let consoleProbes: [Probe] = [
  Probe("arguments") { _ in
    print("argument count \(Kernel.arguments.count)")
    for argument in Kernel.arguments { print("<\(argument)>") }
  },
  Probe("exit") { arguments in
    print("exiting")
    Kernel.exit(Int32(count(arguments)))
  },
  Probe("print-lines") { arguments in
    printLines(count(arguments))
  },
  Probe("print-lines-explicitly") { arguments in
    Console.buffering = .explicit
    printLines(count(arguments))
    Console.flush()
  },
  Probe("print-and-wait") { _ in
    Console.buffering = .explicit
    print("flushed")
    Console.flush()
    try? await Task.sleep(for: .seconds(3600))
  },
  Probe("print-unflushed") { _ in
    Console.buffering = .explicit
    print("unflushed")
  },
  Probe("print-without-newline") { _ in
    print("no line feed", terminator: "")
  },
  Probe("print-long-line") { arguments in
    print(String(repeating: "x", count: count(arguments)))
  },
  Probe("print-bytes") { _ in
    let bytes = Array(UInt8(0)...255)
    bytes.withUnsafeBytes { Console.write($0) }
  },
  Probe("print-and-panic") { _ in
    Console.buffering = .explicit
    print("a line")
    print("unflushed words", terminator: "")
    fatalError("after printing")
  },
  Probe("panic-with-escapes") { _ in
    fatalError("begin\u{1b}[31mred\r\u{7}\u{9b} end")
  },
]

private func printLines(_ count: Int) {
  for number in 0..<count {
    let digits = "\(number)"
    print(
      String(repeating: "0", count: 8 - digits.utf8.count) + digits + " the quick brown fox jumps over the lazy dog")
  }
}
