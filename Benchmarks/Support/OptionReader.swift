import CLinux

/// What is left of a command line.
package struct OptionReader {
  private var rest: ArraySlice<String>

  package init() {
    #if hasFeature(Embedded)
      rest = (1..<max(Int(linux_argument_count()), 1)).map { String(cString: linux_argument_vector()[$0]!) }[...]
    #else
      rest = CommandLine.arguments.dropFirst()
    #endif
  }

  package mutating func next() -> String? { rest.popFirst() }

  package mutating func value(of option: String) throws(BenchmarkError) -> String {
    guard let value = rest.popFirst() else { throw BenchmarkError("\(option) needs a value; see --help") }
    return value
  }

  package mutating func number(of option: String) throws(BenchmarkError) -> Int {
    let text = try value(of: option)
    guard let number = Int(text), number > 0 else {
      throw BenchmarkError("\(option) is '\(text)'; expected a number from 1")
    }
    return number
  }
}
