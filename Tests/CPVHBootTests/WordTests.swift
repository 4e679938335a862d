import CPVHBoot
import SeededRandom
import Testing

/// What stands on the command line, whoever wrote it.
@Suite struct WordTests {
  private func words(_ text: String) -> [String] {
    let line = Line(text)
    var rest = line.word, word = pvh_word(), words: [String] = []
    while pvh_next_word(&rest, &word) { words.append(word.text) }
    return words
  }

  @Test func wordsAreBetweenSpaces() {
    #expect(words("") == [])
    #expect(words("   ") == [])
    #expect(words("one") == ["one"])
    #expect(words("  one two=2   -- ") == ["one", "two=2", "--"])
  }

  private func number(_ text: String, unit: Bool = false) -> UInt64? {
    let line = Line(text)
    var word = line.word, number: UInt64 = 0
    return pvh_number(&word, unit, &number) ? number : nil
  }

  @Test(arguments: [
    ("0", 0), ("12", 12), ("0xfeb00e00", 0xfeb0_0e00), ("0xABCdef", 0xabcdef), ("18446744073709551615", UInt64.max),
    ("0xffffffffffffffff", UInt64.max),
  ])
  func numbers(_ text: String, _ expected: UInt64) { #expect(number(text) == expected) }

  @Test(arguments: [
    "", "0x", "-1", "+1", "1 ", "12a", "0xg", "x", "18446744073709551616", "0x10000000000000000", "1k", "é",
    "99999999999999999999999999999999999",
  ])
  func noNumbers(_ text: String) { #expect(number(text) == nil) }

  @Test func units() {
    #expect(number("4K", unit: true) == 4096)
    #expect(number("1m", unit: true) == 1 << 20)
    #expect(number("0x2G", unit: true) == 2 << 30)
    #expect(number("K", unit: true) == nil)
    #expect(number("4KK", unit: true) == nil)
    #expect(number("0xffffffffffffffffK", unit: true) == nil)
  }

  private func options(_ text: String) -> (pvh_options?, String) {
    let line = Line(text)
    var options = pvh_options()
    let (isGood, problem) = withProblem { pvh_read_options(line.word, &options, $0) }
    return (isGood ? options : nil, problem)
  }

  @Test func optionsAreOursAndTheRestIsNot() throws {
    let options = try #require(
      options("reboot=k panic=1 needletail.exit=0xf4 console=ttyS0 -- a needletail.interrupts=level").0)
    #expect(options.exit_port == 0xf4)
    #expect(options.uses_levels)
    #expect(options.image_name.text == "image")
    #expect(self.options("needletail.interrupts=edge").0?.uses_levels == false)
    #expect(self.options("needletail.name=data@1").0 != nil)
  }

  @Test(arguments: [
    "needletail.exit=", "needletail.exit=0", "needletail.exit=65536", "needletail.exit=zero", "needletail.",
    "needletail.interrupts=", "needletail.interrupts=levels", "needletail.unknown=1",
  ])
  func badOptionsAreQuoted(_ word: String) {
    let (options, problem) = options("a \(word) b")
    #expect(options == nil)
    #expect(problem.hasPrefix("'\(word)': expected "))
  }

  private func arguments(_ text: String) -> [String] {
    let line = Line(text)
    var options = pvh_options(), count: UInt64 = 0, again: UInt64 = 0
    _ = withProblem { pvh_read_options(line.word, &options, $0) }
    let size = pvh_write_arguments(line.word, &options, nil, &count)
    let bytes = UnsafeMutableBufferPointer<CChar>.allocate(capacity: size)
    defer { bytes.deallocate() }
    #expect(pvh_write_arguments(line.word, &options, bytes.baseAddress, &again) == size)
    #expect(again == count)
    let arguments = bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
    #expect(arguments.count == Int(count))
    return arguments
  }

  @Test func argumentsFollowTwoDashes() {
    #expect(arguments("") == ["image"])
    #expect(arguments("quiet hello") == ["image"])
    #expect(arguments("quiet -- hello world") == ["image", "hello", "world"])
    #expect(arguments("needletail.image=kv -- -- get") == ["kv", "--", "get"])
    // QEMU appends its own words behind everything.
    #expect(arguments("-- get virtio_mmio.device=512@0xfeb00e00:12 needletail.exit=0xf4 x") == ["image", "get", "x"])
  }

  @Test func textFromOutsideHasNoControlCharactersAndIsCut() {
    let line = Line("needletail.\u{1b}[31m\u{7f}" + String(repeating: "x", count: 5000))
    var options = pvh_options()
    let (isGood, problem) = withProblem { pvh_read_options(line.word, &options, $0) }
    #expect(!isGood)
    #expect(problem.hasPrefix("'needletail.?[31m?xxx"))
    #expect(problem.utf8.count < 320 && problem.utf8.allSatisfy { $0 >= 0x20 })
  }

  /// Any bytes at all: nothing is read beyond the line, and nothing hangs.
  @Test func randomLines() {
    var generator = SeededGenerator(seed: 2026)
    let pieces = [
      "needletail.", "virtio_mmio.device=", "name=", "exit=", "0x", "@", ":", " ", "--", "4K", "9", "\u{1}", "é",
    ]
    for _ in 0..<2000 {
      var text = ""
      for _ in 0..<Int.random(in: 0..<20, using: &generator) { text += pieces.randomElement(using: &generator)! }
      let line = Line(text)
      var rest = line.word, word = pvh_word(), device = pvh_device_word()
      while pvh_next_word(&rest, &word) { _ = withProblem { pvh_read_device(&word, &device, $0) } }
      _ = arguments(text)
    }
  }
}
