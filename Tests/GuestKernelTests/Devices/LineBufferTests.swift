import SeededRandom
import Testing

@testable import GuestKernel

@Suite struct LineBufferTests {
  /// What a buffer makes of input that arrives in pieces, and what it echoes.
  private static func lines(
    _ pieces: [String], isTerminal: Bool = false, maximumLength: Int = 100, ends: Bool = true
  ) -> (lines: [String], echo: String, outcome: LineBuffer.Outcome) {
    var buffer = LineBuffer(maximumLength: maximumLength, isTerminal: isTerminal)
    var lines: [String] = []
    var echo: [UInt8] = []
    func takeAll() -> LineBuffer.Outcome {
      while true {
        let outcome = buffer.takeLine { echo += $0 }
        guard case .line(let bytes) = outcome else { return outcome }
        lines.append(String(decoding: bytes, as: UTF8.self))
      }
    }
    var outcome = LineBuffer.Outcome.nothing
    for piece in pieces {
      Array(piece.utf8).withUnsafeBytes { buffer.append($0) }
      outcome = takeAll()
    }
    if ends {
      buffer.end()
      outcome = takeAll()
    }
    return (lines, String(decoding: echo, as: UTF8.self), outcome)
  }

  @Test func lineEnds() {
    #expect(Self.lines(["a\nb\r\nc\rd"]).lines == ["a", "b", "c", "d"])
    #expect(Self.lines(["\n\r\n\r\r\n"]).lines == ["", "", "", ""])
    #expect(Self.lines(["a\r", "\nb\n"]).lines == ["a", "b"])
    #expect(Self.lines(["a", "b", "c\nd"], ends: false).lines == ["abc"])
    #expect(Self.lines(["a\n"], ends: false).outcome == .nothing)
    #expect(Self.lines(["a\n"]).outcome == .end)
    #expect(Self.lines([]).outcome == .end)
    // Without a terminal control characters are as good as any.
    #expect(Self.lines(["a\u{8}\u{4}\u{15}b\n"]).lines == ["a\u{8}\u{4}\u{15}b"])
    #expect(Self.lines(["abc\n"]).echo == "")
  }

  @Test func longLinesComeInPieces() {
    #expect(Self.lines(["abcdefgh\nxy\n"], maximumLength: 3).lines == ["abc", "def", "gh", "xy"])
    #expect(Self.lines(["abc\n"], maximumLength: 3).lines == ["abc"])
    // Not through a character.
    #expect(Self.lines(["aé€x\n"], maximumLength: 4).lines == ["aé", "€x"])
    #expect(Self.lines(["é€\n"], maximumLength: 5).lines == ["é€"])
    #expect(Self.lines(["😀😀\n"], maximumLength: 6).lines == ["😀", "😀"])
  }

  /// Whatever arrives, nothing is lost but what malformed UTF-8 is repaired to, and pieces are no longer than they may be.
  @Test(arguments: 0..<20) func arbitraryBytes(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      var buffer = LineBuffer(maximumLength: Int.random(in: 1...9, using: &random), isTerminal: false)
      let bytes = (0..<60).map { _ in
        Bool.random(using: &random)
          ? UInt8.random(in: 0x80...0xff, using: &random) : UInt8.random(in: 0x20...0x7e, using: &random)
      }
      bytes.withUnsafeBytes { buffer.append($0) }
      buffer.end()
      var taken: [UInt8] = []
      while case .line(let line) = buffer.takeLine(echo: { _ in }) {
        #expect(!line.isEmpty && line.count <= buffer.maximumLength)
        taken += line
      }
      #expect(taken == bytes)
    }
  }

  @Test func terminal() {
    let simple = Self.lines(["hi\r"], isTerminal: true, ends: false)
    #expect(simple.lines == ["hi"] && simple.echo == "hi\r\n")
    let erased = Self.lines(["ab\u{7f}c\u{8}é\u{7f}\u{7f}\u{7f}\u{7f}x\n"], isTerminal: true, ends: false)
    #expect(erased.lines == ["x"])
    let back = "\u{8} \u{8}"
    #expect(erased.echo == "ab\(back)c\(back)é\(back)\(back)x\r\n")
    let line = Self.lines(["abc\u{15}d\n"], isTerminal: true, ends: false)
    #expect(line.lines == ["d"] && line.echo == "abc\(back)\(back)\(back)d\r\n")
    #expect(Self.lines(["a\u{1}\u{1b}b\tc\n"], isTerminal: true).lines == ["ab\tc"])
    #expect(Self.lines(["\u{4}"], isTerminal: true, ends: false).outcome == .end)
    let later = Self.lines(["a\u{4}\n", "\u{4}"], isTerminal: true, ends: false)
    #expect(later.lines == ["a"] && later.outcome == .end)
  }

  @Test func rawBytes() {
    func take(_ buffer: inout LineBuffer, _ count: Int) -> String {
      var bytes = [UInt8](repeating: 0, count: count)
      let taken = bytes.withUnsafeMutableBytes { buffer.take(into: $0) }
      return String(decoding: bytes[..<taken], as: UTF8.self)
    }
    var buffer = LineBuffer(maximumLength: 100, isTerminal: false)
    Array("one\r\ntwo".utf8).withUnsafeBytes { buffer.append($0) }
    #expect(buffer.takeLine { _ in } == .line(Array("one".utf8)))
    #expect(buffer.takeLine { _ in } == .nothing)
    // The line that has begun, then what comes behind it.
    Array("\nthree\n".utf8).withUnsafeBytes { buffer.append($0) }
    #expect(take(&buffer, 2) == "tw")
    #expect(take(&buffer, 5) == "o\nthr")
    #expect(!buffer.hasEnded)
    buffer.end()
    #expect(!buffer.hasEnded)
    #expect(take(&buffer, 100) == "ee\n")
    #expect(take(&buffer, 100) == "" && buffer.hasEnded)
  }
}
