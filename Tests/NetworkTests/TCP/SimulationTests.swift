import SeededRandom
import Testing

@testable import Network

@Suite struct SimulationTests {
  /// Streams in both directions over a network with any faults: what is read is what was written, both ends close, and nothing
  /// is left.
  @Test(arguments: 0..<20) func streamsSurviveTheNetwork(part: Int) throws {
    for seed in (part * 50)..<(part * 50 + 50) {
      var generator = SeededGenerator(seed: UInt64(seed) &+ 1_000_000)
      func chance(_ most: Int) -> Int {
        Bool.random(using: &generator) ? 0 : Int.random(in: 0...most, using: &generator)
      }
      let faults = NetworkSimulator.Faults(
        lost: chance(100), repeated: chance(100), damaged: chance(50), delayed: chance(300),
        latency: Int.random(in: 50...50_000, using: &generator))
      var limits = TCPLimits()
      // Some have little room, so that windows close.
      if Bool.random(using: &generator) {
        limits.receiveByteCount = 8192
        limits.sendByteCount = 16_384
      }
      let simulator = NetworkSimulator(
        seed: UInt64(seed), faults: faults, limits: limits, isIPv4: Bool.random(using: &generator))
      simulator.segments = [Bool.random(using: &generator), Bool.random(using: &generator)]
      let sizes = (0..<2).map { _ in Int.random(in: 0...30_000, using: &generator) }
      try exchange(simulator, sizes: sizes, label: "seed \(seed)")
    }
  }

  /// A megabyte each way, with large segments that a device cuts, and windows that grow.
  @Test(arguments: 0..<4) func muchSurvivesTheNetwork(seed: UInt64) throws {
    let simulator = NetworkSimulator(
      seed: seed, faults: NetworkSimulator.Faults(lost: 10, repeated: 5, delayed: 20, latency: 300),
      isIPv4: seed % 2 == 0)
    simulator.segments = [true, seed >= 2]
    try exchange(simulator, sizes: [1 << 20, 1 << 20], label: "seed \(seed)")
    #expect(simulator.ends[0].statistics.fastRecoveries > 0)
  }

  /// A path that loses what is larger than 1300 bytes, and nobody says so.
  @Test(arguments: [true, false]) func aBlackHoleIsPassed(isIPv4: Bool) throws {
    let simulator = NetworkSimulator(seed: 1, faults: NetworkSimulator.Faults(), isIPv4: isIPv4)
    simulator.blackHoleByteCount = 1300 - (isIPv4 ? 20 : 40)
    try exchange(simulator, sizes: [200_000, 200_000], label: "black hole")
  }

  /// Each end writes so many bytes, reads all of the other's, and closes.
  func exchange(_ simulator: NetworkSimulator, sizes: [Int], label: String) throws {
    let listener = try simulator.ends[1].listen(on: nil, port: 80, backlog: 4)
    let client = try simulator.ends[0].connect(
      to: SocketAddress(simulator.addresses[1], port: 80), from: simulator.addresses[0], at: simulator.now)
    var applications = [SimulatedApplication(client, toWrite: simulator.generator.bytes(count: sizes[0]))]
    let answer = simulator.generator.bytes(count: sizes[1])
    var steps = 0
    while applications.count < 2 || !applications.allSatisfy(\.isDone) {
      // The applications take their time even if the network is still.
      if !simulator.step() { simulator.now = simulator.now.advanced(byMilliseconds: 1) }
      steps += 1
      try #require(steps < 400_000, "\(label): no end")
      if applications.count < 2, let socket = listener.accept() {
        applications.append(SimulatedApplication(socket, toWrite: answer))
      }
      for index in applications.indices { applications[index].run(&simulator.generator, at: simulator.now) }
      if client.error != nil || applications.contains(where: { $0.socket.error != nil }) { break }
    }
    try #require(applications.count == 2, "\(label): not accepted")
    for index in 0..<2 {
      let application = applications[index]
      try #require(application.socket.error == nil, "\(label): end \(index)")
      let isEqual = application.received == applications[1 - index].toWrite
      try #require(isEqual, "\(label): end \(index) has read \(application.received.count) bytes")
      application.socket.close(at: simulator.now)
    }
    while simulator.step() {
      steps += 1
      try #require(steps < 400_000, "\(label): no rest")
    }
    for end in simulator.ends {
      let statistics = end.statistics
      #expect(statistics.connectionCount == 0, "\(label)")
      #expect(statistics.halfOpenCount == 0, "\(label)")
      #expect(statistics.timeWaitCount == 0, "\(label)")
      #expect(statistics.bufferByteCount == 0, "\(label)")
      #expect(!end.hasOutput, "\(label)")
    }
  }
}
