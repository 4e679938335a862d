/// The guest's own status is the monitor's, its low eight bits.
func exitCases() -> [Case] {
  let statuses: [(asked: String, expected: Int32)] = [
    ("0", 0), ("1", 1), ("77", 77), ("125", 125), ("255", 255), ("256", 0), ("-1", 255),
  ]
  return statuses.map { status in
    Case("exit-\(status.asked)", "exit(\(status.asked)) ends with status \(status.expected)") {
      session throws(Verdict) in
      try session.monitor.run("probe", ["exit", status.asked]).expect(status: status.expected).expect(stderr: "")
        .expect(stdout: "exiting\n")
    }
  }
}
