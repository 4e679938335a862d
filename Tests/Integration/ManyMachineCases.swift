/// Machine after machine, and machines side by side.
func manyMachineCases() -> [Case] {
  [
    Case("boots-200", "200 boots one after the other are all right") { session throws(Verdict) in
      for number in 0..<200 {
        try session.monitor.run("hello", ["boot \(number)"]).expect(status: 0).expect(
          stdout: "Hello, boot \(number)!\n"
        )
        .expect(stderr: "")
      }
    },
    Case("machines-8", "8 machines at once do their own work each") { session throws(Verdict) in
      try expectSideBySide(machines: 1...8, session.monitor)
    },
  ]
}

/// Starts one machine, lets the others run beside it, and then waits for its end.
private func expectSideBySide(machines: ClosedRange<Int>, _ monitor: Monitor) throws(Verdict) {
  let number = machines.lowerBound
  var process = try monitor.start("probe", ["work", "\(number)"], options: ["--memory", "8M"])
  if number < machines.upperBound { try expectSideBySide(machines: number + 1...machines.upperBound, monitor) }
  try expectWork(process.finish(), machine: number)
}

private func expectWork(_ run: Run, machine number: Int) throws(Verdict) {
  var expected = ""
  for step in 0..<50 { expected += "machine \(number) step \(step) sum \(number * step * 100)\n" }
  try run.expect(status: 0).expect(stdout: expected).expect(stderr: "")
}
