import Machine

/// `needletail check`.
struct CheckCommand {
  func execute() -> ExitStatus {
    let findings = HostCheck.findings()
    var text = ""
    for finding in findings { text += "\(finding.isGood ? "ok" : "no")  \(finding.text)\n" }
    guard StandardOutput.write(text) else { return .monitorFailure }
    return findings.allSatisfy { $0.isGood } ? .success : .negativeFinding
  }
}
