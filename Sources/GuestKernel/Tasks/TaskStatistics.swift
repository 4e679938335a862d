extension Kernel {
  /// What the machine's tasks are about at this moment; nil in the hosted build, where the system's executor does not tell.
  ///
  /// Looks at every task that is ready.
  public static var tasks: TaskStatistics? {
    #if hasFeature(Embedded)
      TaskStatistics(
        readyCount: EventLoop.ready.count, sleepingCount: EventLoop.timers.count, turnCount: EventLoop.turnCount)
    #else
      nil
    #endif
  }
}

/// How many tasks there are of those that the executor knows. The others wait: for a device, for the network
/// (`NetworkQueueStatistics.waitingTaskCount`), or for one another.
public struct TaskStatistics: Equatable, Sendable {
  /// Could run, and wait for the processor; the one that asks is not among them.
  public let readyCount: Int
  /// Wait in `Task.sleep`.
  public let sleepingCount: Int
  /// How often a task was given the processor so far.
  public let turnCount: UInt64
}
