import Machine

/// `needletail inspect`.
struct InspectCommand {
  let path: String

  func execute() -> ExitStatus {
    let inspection = inspection(of: path)
    guard StandardOutput.write(inspection.report) else { return .monitorFailure }
    if inspection.isAcceptable { return .success }
    return inspection.isFound ? .imageNotAcceptable : .imageNotFound
  }
}
