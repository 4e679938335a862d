import CPVHBoot

/// A command line, or a word of one, in memory of its own.
///
/// Its bytes end where a guard would be: AddressSanitizer sees whoever reads on.
final class Line {
  private let bytes: UnsafeMutableBufferPointer<CChar>

  init(_ text: String) {
    let utf8 = Array(text.utf8)
    bytes = .allocate(capacity: utf8.count)
    _ = bytes.initialize(from: utf8.map { CChar(bitPattern: $0) })
  }

  deinit { bytes.deallocate() }

  var word: pvh_word { pvh_word(start: bytes.baseAddress, count: bytes.count) }
}

extension pvh_word {
  var text: String {
    String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }
}

/// Calls `body` with a problem to fill in; what it says is the second result.
func withProblem<Result>(_ body: (UnsafeMutablePointer<pvh_problem>) -> Result) -> (Result, String) {
  let problem = UnsafeMutablePointer<pvh_problem>.allocate(capacity: 1)
  defer { problem.deallocate() }
  pvh_problem_init(problem)
  let result = body(problem)
  let text = withUnsafeBytes(of: &problem.pointee.text) { bytes in
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
  return (result, text)
}
