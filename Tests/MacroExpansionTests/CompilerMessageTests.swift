import Testing

@testable import MacroExpansion

/// What the compiler is answered.
@Suite struct CompilerMessageTests {
  private func request(_ source: String, lexicalContext: String = "[]") -> String {
    let quoted = JSON.string(source).text
    return """
      {"expandFreestandingMacro":{"discriminator":"$e","lexicalContext":\(lexicalContext),\
      "macro":{"moduleName":"NeedletailMacros","name":"devices","typeName":"Devices"},"macroRole":"declaration",\
      "syntax":{"kind":"expression","location":{"column":1,"fileID":"a/b.swift","fileName":"/a/b.swift","line":2,\
      "offset":30},"source":\(quoted)}}}
      """
  }

  private func answer(to text: String) throws -> JSON {
    let message = try #require(JSON(Array(text.utf8)))
    return try #require(JSON(Array(MacroExpansion.answer(message).text.utf8)))
  }

  @Test func capability() throws {
    let answer = try answer(to: #"{"getCapability":{"capability":{"protocolVersion":9,"more":[1,-2.5e3,null,true]}}}"#)
    #expect(answer["getCapabilityResult"]?["capability"]?["protocolVersion"]?.number == protocolVersion)
  }

  @Test func expansion() throws {
    let result = try #require(try answer(to: request("\n#devices(.block(\"data\"))"))["expandMacroResult"])
    #expect(result["diagnostics"]?.array?.isEmpty == true)
    #expect(result["expandedSource"]?.string == (try DeviceList("#devices(.block(\"data\"))").expansion))
  }

  @Test func fault() throws {
    let result = try #require(try answer(to: request("\n#devices(.block(\"\u{7}ö\"))"))["expandMacroResult"])
    let diagnostic = try #require(result["diagnostics"]?.array?.first)
    #expect(diagnostic["message"]?.string?.contains("1 to 31") == true)
    #expect(diagnostic["severity"]?.string == "error")
    #expect(diagnostic["position"]?["fileName"]?.string == "/a/b.swift")
    #expect(diagnostic["position"]?["offset"]?.number == 30 + "\n#devices(.block(".utf8.count)
  }

  @Test func insideOfAFunction() throws {
    let context = #"[{"kind":"declaration","source":"func f() {}"}]"#
    let result = try answer(to: request("#devices(.console)", lexicalContext: context))["expandMacroResult"]
    #expect(result?["diagnostics"]?.array?.first?["message"]?.string?.contains("outside of types") == true)
  }

  @Test func somethingElse() throws {
    let result = try answer(to: #"{"expandAttachedMacro":{"macro":{"name":"x"}}}"#)["expandMacroResult"]
    #expect(result?["diagnostics"]?.array?.count == 1)
  }

  @Test(
    "strings",
    arguments: [
      (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e4\ud83d\ude00ö""#, "ä😀ö"),
    ])
  func strings(_ text: String, _ string: String) throws {
    let value = try #require(JSON(Array(text.utf8))?.string)
    #expect(value == string)
    #expect(JSON(Array(JSON.string(value).text.utf8))?.string == string)
  }

  @Test(
    "no JSON",
    arguments: [
      "", " ", "{", "[1", "[1,", "{\"a\"", "{\"a\":", "{\"a\":1", "{1:2}", "\"", "\"\\", "\"\\u12", "\"\\ud800x\"",
      "tru", "x",
    ])
  func notJSON(_ text: String) {
    #expect(JSON(Array(text.utf8)) == nil)
  }
}
