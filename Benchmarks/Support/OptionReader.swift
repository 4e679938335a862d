import CLinux

/// What is left of a command line.
package struct OptionReader {
  private var rest: ArraySlice<String>

  package init() {
    #if hasFeature(Embedded)
      let vector = linux_argument_vector()!
      var arguments: [String] = []
      while let bytes = vector[arguments.count] { arguments.append(String(cString: bytes)) }
      rest = arguments.dropFirst()
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
