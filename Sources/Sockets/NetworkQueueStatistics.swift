/// How full an interface's queues are at this moment.
public struct NetworkQueueStatistics: Equatable, Sendable {
  /// Buffers that the device has for frames to come, and how many that can be. Each takes a frame, or a page of one. 0 in the
  /// hosted build, where the system keeps frames.
  public var receiveBufferCount = 0
  public var receiveBufferLimit = 0
  /// Frames that the device was given to send and was not seen to be done with, and how many that can be. 0 in the hosted build.
  public var sendingFrameCount = 0
  public var sendingFrameLimit = 0
  /// Tasks that wait for something of this interface's: to connect, to accept, to read, for room to write, for an answer.
  public var waitingTaskCount = 0
}

extension Network {
  /// How full the interface's queues are. What TCP has queued is in `tcpStatistics`.
  public var queueStatistics: NetworkQueueStatistics {
    interface.lock()
    defer { interface.unlock() }
    var statistics = link.queueStatistics
    statistics.waitingTaskCount = interface.waiterCount
    return statistics
  }
}
