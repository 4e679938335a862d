/// One thing to prove.
struct Case: Sendable {
  /// Unique; what the command line selects it by.
  let name: String
  /// What holds if it passes.
  let proves: String
  /// Returns if that holds.
  let body: @Sendable (Session) throws(Verdict) -> Void

  init(_ name: String, _ proves: String, _ body: @escaping @Sendable (Session) throws(Verdict) -> Void) {
    self.name = name
    self.proves = proves
    self.body = body
  }

  /// Runs it, unless it cannot hold where we are.
  ///
  /// - Returns: nil if it passed.
  func run(_ session: Session) -> Verdict? {
    if let reason = LaneExceptions.reason(for: name, in: session.lane) { return .skipped(reason) }
    do throws(Verdict) {
      try body(session)
      return nil
    } catch {
      return error
    }
  }
}

/// How a case ended that did not pass.
enum Verdict: Error {
  /// What was expected, what came instead, and what was captured.
  case failed(String)
  /// What is missing here that it needs.
  case skipped(String)
}

/// What the cases are run with.
struct Session: Sendable {
  let monitor: Monitor
  let lane: Lane
  let hostedDirectory: String?

  init(_ options: Options) {
    monitor = Monitor(path: options.monitor, imageDirectory: options.images, watchdogSeconds: options.lane.watchdogSeconds)
    lane = options.lane
    hostedDirectory = options.hosted
  }
}

/// All cases, in the order in which they run: what everything else stands on comes first.
func allCases() -> [Case] {
  outputCases() + exitCases() + placementCases() + crashCases() + protectionCases() + processorCases() + clockCases()
    + taskCases() + memoryCases() + randomCases() + signalCases() + manyMachineCases() + idleCases()
    + badImageCases() + badUsageCases() + commandCases() + hostedCases()
}
