import Sockets

/// What memory and stack have come to, in lines of a name and a number.
func statistics() async throws(NetworkError) -> String {
  let network = try await Network.open()
  let memory = Kernel.memory
  var lines = "heap \(memory.bytesInUse)\nheapPeak \(memory.peakBytesInUse)\n"
  func add(_ name: String, _ value: UInt64) { lines += "\(name) \(value)\n" }

  let link = network.statistics
  add("receivedFrames", link.receivedFrames)
  add("receivedBytes", link.receivedBytes)
  add("sentFrames", link.sentFrames)
  add("sentBytes", link.sentBytes)
  add("malformedPackets", link.malformedPackets)
  add("foreignPackets", link.foreignPackets)
  add("spoofedPackets", link.spoofedPackets)
  add("reassembledDatagrams", link.reassembledDatagrams)
  add("failedReassemblies", link.failedReassemblies)
  add("answeredEchoes", link.answeredEchoes)
  add("sentErrors", link.sentErrors)
  add("suppressedErrors", link.suppressedErrors)
  add("receivedErrors", link.receivedErrors)
  add("loweredPathMTUs", link.loweredPathMTUs)
  add("receivedDatagrams", link.receivedDatagrams)
  add("sentDatagrams", link.sentDatagrams)
  add("refusedDatagrams", link.refusedDatagrams)
  add("droppedDatagrams", link.droppedDatagrams)
  add("failedNeighbours", link.failedNeighbours)
  add("unsentPackets", link.unsentPackets)
  add("addressConflicts", link.addressConflicts)

  let tcp = network.tcpStatistics
  add("segmentsReceived", tcp.segmentsReceived)
  add("segmentsSent", tcp.segmentsSent)
  add("bytesReceived", tcp.bytesReceived)
  add("bytesSent", tcp.bytesSent)
  add("malformedSegments", tcp.malformedSegments)
  add("segmentsRetransmitted", tcp.segmentsRetransmitted)
  add("retransmissionTimeouts", tcp.retransmissionTimeouts)
  add("fastRecoveries", tcp.fastRecoveries)
  add("segmentsOutOfOrder", tcp.segmentsOutOfOrder)
  add("segmentsRefused", tcp.segmentsRefused)
  add("oldTimestamps", tcp.oldTimestamps)
  add("challengeACKs", tcp.challengeACKs)
  add("resetsSent", tcp.resetsSent)
  add("activeOpens", tcp.activeOpens)
  add("passiveOpens", tcp.passiveOpens)
  add("failedOpens", tcp.failedOpens)
  add("resetConnections", tcp.resetConnections)
  add("handshakesDropped", tcp.handshakesDropped)
  add("cookiesSent", tcp.cookiesSent)
  add("cookiesAccepted", tcp.cookiesAccepted)
  add("timeWaitRecycled", tcp.timeWaitRecycled)
  add("windowProbes", tcp.windowProbes)
  add("keepAliveProbes", tcp.keepAliveProbes)
  add("repliesDropped", tcp.repliesDropped)
  add("connections", UInt64(tcp.connectionCount))
  add("halfOpen", UInt64(tcp.halfOpenCount))
  add("timeWait", UInt64(tcp.timeWaitCount))
  add("bufferBytes", UInt64(tcp.bufferByteCount))
  add("unaccepted", UInt64(tcp.unacceptedCount))
  add("unacknowledgedBytes", UInt64(tcp.unacknowledgedByteCount))
  add("unreadBytes", UInt64(tcp.unreadByteCount))

  let queues = network.queueStatistics
  add("receiveBuffers", UInt64(queues.receiveBufferCount))
  add("sendingFrames", UInt64(queues.sendingFrameCount))
  add("waitingTasks", UInt64(queues.waitingTaskCount))
  return lines
}
