/// Which of passt's segments were sent before, and were not asked for: those that a timeout repeated. From what tcpdump says of
/// each segment, with sequence numbers relative to the connection's first.
struct PasstRepeats {
  private(set) var segmentCount = 0
  /// The lines of such segments.
  private(set) var unasked: [String] = []
  private var connections: [Connection] = []

  private struct Connection {
    /// passt's end of it.
    var end: String
    /// Behind the last byte that passt has sent.
    var sent = 0
    /// Behind the latest segment, if that was a repeated one: what follows it goes with it.
    var repeated = -1
    /// What the machine has acknowledged last, and how often without any data or news.
    var acknowledged = -1
    var duplicateCount = 0
  }

  /// Takes the words of a line: TIME IP SOURCE > DESTINATION: Flags [F], seq A:B, ack C, win D, length E.
  mutating func take(_ words: [String]) {
    guard words.count > 8, words[1] == "IP", words[3] == ">" else { return }
    segmentCount += 1
    let fromMachine = words[2].hasPrefix(NetworkLab.passtAddress + ".")
    let end = fromMachine ? String(words[4].dropLast()) : words[2]
    if !connections.contains(where: { $0.end == end }) { connections.append(Connection(end: end)) }
    guard let index = connections.firstIndex(where: { $0.end == end }), !words[6].contains("S") else { return }
    if fromMachine {
      guard let acknowledged = number(behind: "ack", in: words) else { return }
      let isNews = acknowledged != connections[index].acknowledged
      connections[index].duplicateCount = isNews ? 0 : connections[index].duplicateCount + 1
      connections[index].acknowledged = acknowledged
    } else if let place = words.firstIndex(of: "seq"), place + 1 < words.count {
      let range = words[place + 1].split(whereSeparator: { $0 == ":" || $0 == "," }).compactMap { Int($0) }
      guard range.count == 2, range[1] > range[0] else { return }
      let isRepeated = range[0] < connections[index].sent
      if isRepeated, connections[index].duplicateCount == 0, range[0] != connections[index].repeated {
        unasked.append(words.joined(separator: " "))
      }
      connections[index].repeated = isRepeated ? range[1] : -1
      connections[index].sent = max(connections[index].sent, range[1])
    }
  }

  private func number(behind word: String, in words: [String]) -> Int? {
    guard let place = words.firstIndex(of: word), place + 1 < words.count else { return nil }
    return Int(words[place + 1].prefix { $0 != "," })
  }
}
