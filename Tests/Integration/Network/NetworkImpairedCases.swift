import CLinux

/// TCP over a wire that does to frames what networks do.
func networkImpairedCases() -> [Case] {
  var cases = [
    impairedCase("loss", "one frame in a hundred is lost, both ways", Impairment(seed: 1, lost: 10)),
    impairedCase(
      "heavy-loss", "one frame in twenty is lost, both ways", Impairment(seed: 2, lost: 50), byteCount: 2_000_000),
    impairedCase(
      "reordering", "one frame in ten is overtaken by others", Impairment(seed: 3, reordered: 100, delay: 1),
      byteCount: 3_000_000),
    impairedCase("duplication", "one frame in ten arrives twice", Impairment(seed: 4, duplicated: 100)),
    impairedCase("corruption", "one frame in a hundred has a wrong bit", Impairment(seed: 5, corrupted: 10)),
    impairedCase("delay", "every frame takes 20 ms", Impairment(delay: 20)),
  ]
  cases += (1...4).map { number in
    impairedCase(
      "everything-\(number)", "frames are lost, doubled, changed, overtaken and late",
      Impairment(seed: UInt64(100 + number), lost: 20, duplicated: 10, corrupted: 5, reordered: 20, delay: 1),
      byteCount: 5_000_000)
  }
  cases.append(
    networkCase("network-impaired-short", "300 connections come and go through a wire that loses one frame in fifty") {
      lab throws(Verdict) in
      try lab.startMachine(
        "echo 7", on: .impaired(Impairment(seed: 6, lost: 20, duplicated: 20, reordered: 20)))
      var exchange = try EchoExchange(count: 100, byteCount: 3000, address: NetworkLab.machineIPv4, port: 7)
      try exchange.run()
      for _ in 0..<50 { try expectEcho(at: NetworkLab.machineIPv4) }
      try lab.endMachine()
    })
  return cases
}

/// Sends and receives through an impaired wire, and expects what came to be what was sent, and the wire to have done what it
/// should.
private func impairedCase(
  _ name: String, _ proves: String, _ impairment: Impairment, byteCount: Int = 10_000_000
) -> Case {
  networkCase("network-impaired-\(name)", "\(proves): streams arrive as they were") { lab throws(Verdict) in
    try lab.startMachine("sink 9 source 19 \(byteCount)", on: .impaired(impairment))
    try sendBulk(to: NetworkLab.machineIPv4, byteCount: byteCount)
    try receiveBulk(from: NetworkLab.machineIPv6, byteCount: byteCount)
    try lab.endMachine()
    let accounts = try lab.endWire()
    for account in [accounts.there, accounts.back] {
      let isDone =
        account.carried > 0 && (account.lost > 0) == (impairment.lost > 0)
        && (account.duplicated > 0) == (impairment.duplicated > 0)
        && (account.corrupted > 0) == (impairment.corrupted > 0)
        && (account.reordered > 0) == (impairment.reordered > 0)
      guard isDone else { throw .failed("expected the wire to do \(impairment.words); it says: \(account.text)") }
    }
  }
}
