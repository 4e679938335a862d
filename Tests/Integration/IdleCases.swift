/// The idle call, where wake-ups get lost if anywhere. A lost one leaves the guest asleep until the watchdog finds it.
func idleCases() -> [Case] {
  [
    Case("idle-stress", "of 100,000 wake-ups by timer that race with task switches, none is lost or early") {
      session throws(Verdict) in
      let count = LaneExceptions.wakeUps(in: session.lane)
      let run = try session.monitor.run("idle-stress", ["\(count)"]).expect(status: 0).expect(stderr: "")
      try run.expect(try run.number("woken") == UInt64(count), "\(count) wake-ups", got: try run.value("woken"))
      try run.expect(try run.number("early") == 0, "none early", got: try run.value("early"))
    }
  ]
}
