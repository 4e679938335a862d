/// The version of the compiler's protocol that these answers follow.
let protocolVersion = 7

/// What the compiler is to be told.
func answer(_ message: JSON) -> JSON {
  if message["getCapability"] != nil {
    return .object([
      "getCapabilityResult": .object(["capability": .object(["protocolVersion": .number(protocolVersion)])])
    ])
  }
  guard let request = message["expandFreestandingMacro"], request["macro"]?["name"]?.string == "devices",
    let syntax = request["syntax"], let source = syntax["source"]?.string
  else { return expansion(nil, diagnostics: [diagnostic("not a macro of Needletail's", in: nil, offset: 0)]) }
  do throws(DeviceList.Fault) {
    let list = try DeviceList(source)
    guard request["lexicalContext"]?.array?.isEmpty ?? true else {
      throw DeviceList.Fault(
        message: "#devices belongs outside of types and functions", offset: SourceScanner(source).offset)
    }
    return expansion(list.expansion, diagnostics: [])
  } catch {
    return expansion("", diagnostics: [diagnostic(error.message, in: syntax["location"], offset: error.offset)])
  }
}

/// - Parameter source: what takes the macro's place, if anything does.
private func expansion(_ source: String?, diagnostics: [JSON]) -> JSON {
  .object([
    "expandMacroResult": .object([
      "expandedSource": source.map { .string($0) } ?? .null, "diagnostics": .array(diagnostics),
    ])
  ])
}

/// An error at a place of the expression, which starts at `location` of its file.
private func diagnostic(_ message: String, in location: JSON?, offset: Int) -> JSON {
  .object([
    "message": .string(message),
    "severity": .string("error"),
    "position": .object([
      "fileName": .string(location?["fileName"]?.string ?? ""),
      "offset": .number((location?["offset"]?.number ?? 0) + offset),
    ]),
    "highlights": .array([]),
    "notes": .array([]),
    "fixIts": .array([]),
  ])
}

/// Answers the compiler on standard input and output until it has no more to ask.
public func answerCompiler() {
  let compiler = CompilerConnection()
  while let message = compiler.receive() {
    compiler.send(answer(message))
  }
}
