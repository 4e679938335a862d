import CDemangle
import Testing

/// Readable names, and names that have none.
@Suite struct DemangleTests {
  private func demangle(_ name: String, capacity: Int = 1024) -> String {
    var output = [CChar](repeating: 0x5a, count: capacity + 1)
    var name = name
    let length = name.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { needletail_demangle($0.baseAddress, $0.count, &output, capacity) }
    }
    #expect(output[capacity] == 0x5a, "nothing is written behind the buffer")
    guard capacity > 0 else {
      #expect(length == 0)
      return ""
    }
    #expect(length < capacity)
    #expect(output[length] == 0)
    return String(decoding: output[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test(arguments: [
    // Swift, of both runtimes and of old; as `swift demangle -simplified` has them.
    ("$s5hello5HelloV4mainyyFZ", "static Hello.main()"),
    ("$e5hello5HelloV4mainyyFZ", "static Hello.main()"),
    ("$S5hello5HelloV4mainyyFZ", "static Hello.main()"),
    ("$sSa9formIndex6beforeySiz_tF", "Array.formIndex(before:)"),
    ("_T05hello5HelloV4mainyyFZ", "static Hello.main()"),
    ("$s5crash8overflowys4Int8VADF", "overflow(_:)"),
    // C++, as `c++filt` has them.
    ("_Z3fooi", "foo(int)"),
    ("_ZN3foo3barERKSs", "foo::bar(std::string const&)"),
    ("_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)"),
  ])
  func names(mangled: String, readable: String) {
    #expect(demangle(mangled) == readable)
  }

  @Test(arguments: [
    "", "_", "$", "main", "memcpy", "$s", "$sZZZZ", "_Z", "_Z!", "_T0", "_T0Rvd__",
    "$s\u{1}abcd", "_Z3foo\ni", "\u{1b}[2J", "é", " $s5hello5HelloV4mainyyFZ", String(repeating: "_Z", count: 3000),
    "$s" + String(repeating: "5hello", count: 700),
  ])
  func noNames(_ name: String) {
    #expect(demangle(name) == "")
  }

  @Test func cutAtTheCapacity() {
    let whole = "static Hello.main()"
    for capacity in 0...24 {
      let text = demangle("$s5hello5HelloV4mainyyFZ", capacity: capacity)
      #expect(text == String(whole.prefix(max(capacity - 1, 0))), "\(capacity)")
    }
  }

  /// Cut between characters, not within one: "é" takes two bytes.
  @Test func cutAtACharacter() {
    // A function "éé" of module m, in Swift's Punycode.
    let mangled = "$s1m004JcaayyF"
    let whole = demangle(mangled)
    #expect(whole == "éé()")
    let cut = (2...7).map { demangle(mangled, capacity: $0) }
    #expect(cut == ["", "é", "é", "éé", "éé(", "éé()"])
  }

  @Test func lengthIsTheNamesNotTheTerminators() {
    let text = Array("_Z3fooiXXXX".utf8CString)
    var output = [CChar](repeating: 0, count: 64)
    let length = needletail_demangle(text, 7, &output, output.count)
    #expect(String(decoding: output[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) == "foo(int)")
  }
}
