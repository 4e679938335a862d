import MachineABI
import Testing

@testable import MacroExpansion

/// What `#devices` makes of a source, and what it finds wrong with one.
@Suite struct DeviceListTests {
  struct Device: Equatable {
    let kind: UInt32
    let name: String
  }

  private func devices(_ source: String) throws(DeviceList.Fault) -> [Device] {
    try DeviceList(source).declarations.map { Device(kind: $0.kind, name: $0.nameText ?? "?") }
  }

  @Test func everyKind() throws {
    #expect(
      try devices("#devices(.console, .entropy, .block(\"data\"), .network(\"net\"))") == [
        Device(kind: 3, name: "console"), Device(kind: 4, name: "entropy"), Device(kind: 2, name: "data"),
        Device(kind: 1, name: "net"),
      ])
  }

  @Test(
    "laid out as one likes",
    arguments: [
      "\n#devices(.block(\"a\"),.console)", "# devices ( . block ( \"a\" ) , .console , )",
      "/// Documented.\n#devices(\n  .block(\"a\"), // one, two\n  .console,\n)",
      "#devices(/* ) /* nested */ ( */.block(\"a\"), DeclaredDevice.console)",
      "#devices(GuestKernel.DeclaredDevice.block(\"a\"), .console)\n",
    ])
  func layout(_ source: String) throws {
    #expect(try devices(source) == [Device(kind: 2, name: "a"), Device(kind: 3, name: "console")])
  }

  /// The fault is at what is wrong: `^` stands before it in these sources.
  @Test(
    "refused",
    arguments: [
      ("^#devices()", "declares no device"),
      ("\n\n^#devices(/* none */)", "declares no device"),
      ("#devices(.console, ^.net)", ".network(\"NAME\"), .console or .entropy"),
      ("#devices(^name)", ".network(\"NAME\"), .console or .entropy"),
      ("#devices(^flag ? .console : .entropy)", ".network(\"NAME\"), .console or .entropy"),
      ("#devices(.console^ + 1)", ".network(\"NAME\"), .console or .entropy"),
      ("#devices(.block(^name))", "string literal"),
      ("#devices(.block(^\"a\\u{62}\"))", "string literal"),
      ("#devices(.block(^#\"a\"#))", "string literal"),
      ("#devices(.block(^\"\"))", "1 to 31"),
      ("#devices(.block(^\"\"\"\n  a\n  \"\"\"))", "string literal"),
      ("#devices(.block(\"a\"), .block(^\"a b\"))", "A-Z a-z 0-9 . _ -"),
      ("#devices(.block(^\"ä\"))", "A-Z a-z 0-9 . _ -"),
      ("#devices(.block(^\"abcdefghijklmnopqrstuvwxyz012345\"))", "1 to 31"),
      ("#devices(.console, ^.console)", "two devices are named 'console'"),
      ("#devices(.block(\"a\"), .entropy, ^.block(\"a\"))", "two devices are named 'a'"),
      ("#devices(.block(\"a\"), ^.network(\"a\"))", "two devices are named 'a'"),
      ("#devices(.network(^name))", "string literal"),
      ("#devices(^.network)", ".network(\"NAME\"), .console or .entropy"),
      ("#devices(.network(^\"a b\"))", "A-Z a-z 0-9 . _ -"),
      ("#devices(.block(\"entropy\"), ^.entropy)", "two devices are named 'entropy'"),
      ("^#devices", "parentheses"),
      ("#devices(.console, ^", ".network(\"NAME\"), .console or .entropy"),
    ])
  func refused(_ marked: String, _ words: String) throws {
    let mark = try #require(marked.firstIndex(of: "^"))
    var source = marked
    source.remove(at: mark)
    do throws(DeviceList.Fault) {
      _ = try DeviceList(source)
      Issue.record("accepted")
    } catch {
      #expect(error.message.contains(words), "\(error.message)")
      // White space belongs to the token before it.
      let expected = marked[..<mark].utf8.count
      #expect(
        error.offset == expected
          || source.utf8.dropFirst(expected).prefix(error.offset - expected).allSatisfy { $0 == 0x20 })
    }
  }

  @Test func limit() throws {
    func source(_ count: Int) -> String {
      "#devices(" + (0..<count).map { ".block(\"d\($0)\")" }.joined(separator: ", ") + ")"
    }
    #expect(try devices(source(64)).count == 64)
    #expect(throws: DeviceList.Fault.self) { try devices(source(65)) }
  }

  /// The words of the notes are those that `ImageNotes` of the monitor reads: sizes, type, owner, declaration.
  @Test func expansion() throws {
    let text = try DeviceList("#devices(.block(\"data\"))").expansion
    #expect(
      text == """
        #if hasFeature(Embedded)
        @section(".note.needletail.devices") @used
        private let needletailDevices: InlineArray<16, UInt32> = \
        [0xb, 0x28, 0x2, 0x6465654e, 0x6174656c, 0x6c69, 0x2, 0x0, 0x61746164, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0]
        #endif
        """)
  }
}
