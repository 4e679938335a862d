import BenchmarkSupport

/// What `strace -c` writes.
enum StraceSummary {
  /// The number of calls in its last line: "100.00    0.012345           3      4115        56 total".
  static func total(in text: [UInt8]) throws(BenchmarkError) -> Int {
    for line in text.split(separator: 0x0a) {
      let words = line.split(separator: 0x20).map { String(decoding: $0, as: UTF8.self) }
      guard words.last == "total", words.count >= 5, let calls = Int(words[3]) else { continue }
      return calls
    }
    throw BenchmarkError("strace gave no summary, but: " + String(decoding: text, as: UTF8.self))
  }
}
