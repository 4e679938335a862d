import GuestKernel

// The tasks of a server's connections.
//
// A task keeps the memory that its deepest call has taken until it ends (Swift's task allocator gives nothing back before),
// and answering a request goes deep: some 10 KB, buffers included. A connection that only waits for a request needs a
// fraction of that. So it waits at the start of a task, with no buffers; and once a request has been answered and no other
// follows, it waits on in a new task.
extension HTTPServer {
  /// Serves one connection.
  func accept(_ channel: ByteChannel) {
    statistics.accepted.increment()
    if connections.insert(channel) {
      attend(channel)
    } else {
      Task { await turnAway(channel) }
    }
  }

  /// Waits for a request in a task that has nothing else to do, and has it answered.
  ///
  /// - Parameter waited: for how long the connection has been idle.
  private func attend(_ channel: ByteChannel, after waited: Duration = .zero) {
    Task {
      guard await receives(channel, after: waited) else { return connections.remove(channel) }
      // Functions of their own, so that what they need is not there while the task waits.
      if let idleTime = await serve(channel) { attend(channel, after: idleTime) } else { connections.remove(channel) }
    }
  }

  /// Waits until a connection has something to read, which may be its end; closes it if nothing comes.
  private nonisolated(nonsending) func receives(_ channel: ByteChannel, after waited: Duration) async -> Bool {
    channel.setTimeouts(read: limits.values.idleTimeout - waited, write: limits.values.writeTimeout)
    do throws(HTTPError) {
      try await channel.waitForInput()
      return true
    } catch {
      if error == .timedOut { statistics.timeouts.increment() }
      // Nobody waits for an answer if nothing was asked.
      channel.close()
      return false
    }
  }

  /// Serves a connection that has something to read, until it has ended or is idle again.
  ///
  /// - Returns: for how long it has been idle; nil if it has ended.
  private nonisolated(nonsending) func serve(_ channel: ByteChannel) async -> Duration? {
    connections.beginService()
    defer { connections.endService() }
    var connection = ServerConnection(channel, self)
    return await connection.serve()
  }

  private nonisolated(nonsending) func turnAway(_ channel: ByteChannel) async {
    var connection = ServerConnection(channel, self)
    await connection.turnAway()
  }
}
