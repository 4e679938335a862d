// A segment arrives for a connection in TIME-WAIT.
extension TCP {
  func receive(_ header: TCPHeader, _ payload: RawSpan, inTimeWait number: Int, at now: NetworkInstant) {
    guard let record = context.timeWait[number] else { return }
    let distance = Int32(bitPattern: header.sequence &- record.receiveNext)
    // RFC 1337: a RST does not shorten TIME-WAIT. SYN+FIN neither begins nor ends anything.
    guard !header.flags.contains(.rst), !header.flags.isSuperset(of: [.syn, .fin]) else { return }
    if header.flags.contains(.syn), !header.flags.contains(.ack), isNewConnection(header, distance, record),
      let listener = listener(on: record.local)
    {
      // Above all that the old connection sent (RFC 9293, 3.10.7.4; RFC 6191, 2).
      let gap: UInt32 = 1 << 17
      let key = ConnectionKey(local: record.local, remote: record.remote)
      guard
        answerSyn(
          header, by: listener, local: record.local, remote: record.remote, sequence: record.sendNext &+ gap, at: now)
      else { return }
      context.timeWait.remove(number)
      // A cookie leaves nothing there.
      if context.table[key] == .timeWait(number) { context.table.remove(key) }
      return
    }
    if let timestamps = record.timestamps, let timestamp = header.options.timestamp, distance <= 0 {
      if Int32(bitPattern: timestamp.value &- timestamps.recent) > 0 {
        context.timeWait.setRecentTimestamp(number, timestamp.value)
      }
    }
    // A FIN that came again (RFC 9293, 3.10.7.4, "eighth"). Acknowledgements are not answered: that could go on for ever.
    if header.flags.contains(.fin) { context.timeWait.restart(number, at: now) }
    guard payload.byteCount > 0 || header.flags.contains(.fin) || header.flags.contains(.syn) else { return }
    acknowledge(record, at: now)
  }

  /// RFC 6191, 2: what begins later than all that the old connection had.
  private func isNewConnection(_ header: TCPHeader, _ distance: Int32, _ record: TimeWaitRecord) -> Bool {
    if let recent = record.timestamps?.recent, let timestamp = header.options.timestamp {
      let age = Int32(bitPattern: timestamp.value &- recent)
      if age != 0 { return age > 0 }
    }
    return distance > 0
  }

  private func acknowledge(_ record: TimeWaitRecord, at now: NetworkInstant) {
    let timestamp = record.timestamps.map {
      TCPTimestamp(value: TCPContext.timestampClock(at: now, offset: $0.offset), echo: $0.recent)
    }
    context.reply(
      TCPReply(
        local: record.local, remote: record.remote, sequence: record.sendNext, acknowledgement: record.receiveNext,
        flags: .ack, window: record.window, timestamp: timestamp))
  }
}
