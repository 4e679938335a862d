import HTTP
import Sockets

extension Service {
  /// Everything that is counted, in Prometheus' text format (version 0.0.4).
  static func metrics(of server: HTTPServer) async -> String {
    var text = MetricText()
    let memory = Kernel.memory
    text.gauge("needletail_heap_bytes", "What the heap may use.", memory.heapBytes)
    text.gauge("needletail_heap_used_bytes", "Allocated now.", memory.bytesInUse)
    text.gauge("needletail_heap_peak_bytes", "The most that was ever allocated at once.", memory.peakBytesInUse)
    if let tasks = Kernel.tasks {
      text.gauge("needletail_tasks_ready", "Tasks that wait for the processor.", tasks.readyCount)
      text.gauge("needletail_tasks_sleeping", "Tasks that sleep.", tasks.sleepingCount)
      text.counter("needletail_task_turns_total", "Times that a task was given the processor.", tasks.turnCount)
    }
    text.gauge("http_connections", "Open connections; each has a task.", server.connectionCount)
    text.counter("http_connections_accepted_total", "Connections accepted.", server.statistics.acceptedCount)
    text.counter("http_connections_refused_total", "Connections that were too many.", server.statistics.turnedAwayCount)
    text.counter("http_requests_total", "Requests answered by a handler.", server.statistics.requestCount)
    text.counter("http_faults_total", "Malformed requests.", server.statistics.faultCount)
    text.counter("http_timeouts_total", "Clients that were too slow.", server.statistics.timeoutCount)
    text.counter("http_misuses_total", "Handlers' mistakes, answered with 500.", server.statistics.misuseCount)
    if let network = try? await Network.open() {
      add(network.queueStatistics, to: &text)
      add(network.statistics, to: &text)
      add(network.tcpStatistics, to: &text)
    }
    return text.text
  }

  private static func add(_ queues: NetworkQueueStatistics, to text: inout MetricText) {
    text.gauge("net_tasks_waiting", "Tasks that wait for the network.", queues.waitingTaskCount)
    text.gauge("net_receive_queue_buffers", "Buffers that the device has for frames.", queues.receiveBufferCount)
    text.gauge("net_receive_queue_limit", "Buffers that the device can have.", queues.receiveBufferLimit)
    text.gauge("net_transmit_queue_frames", "Frames that the device has to send.", queues.sendingFrameCount)
    text.gauge("net_transmit_queue_limit", "Frames that the device can have.", queues.sendingFrameLimit)
  }

  private static func add(_ link: NetworkStatistics, to text: inout MetricText) {
    text.counter("net_receive_frames_total", "Frames received.", link.receivedFrames)
    text.counter("net_receive_bytes_total", "Bytes received.", link.receivedBytes)
    text.counter("net_transmit_frames_total", "Frames sent.", link.sentFrames)
    text.counter("net_transmit_bytes_total", "Bytes sent.", link.sentBytes)
    text.counter("net_malformed_packets_total", "Packets that are none.", link.malformedPackets)
    text.counter("net_unsent_packets_total", "Packets without a route or a neighbour.", link.unsentPackets)
  }

  private static func add(_ tcp: TCPStatistics, to text: inout MetricText) {
    text.gauge("tcp_connections", "Connections.", tcp.connectionCount)
    text.gauge("tcp_handshakes", "Handshakes under way that a peer began.", tcp.halfOpenCount)
    text.gauge("tcp_time_wait", "Connections in TIME-WAIT.", tcp.timeWaitCount)
    text.gauge("tcp_backlog", "Connections that were not accepted yet.", tcp.unacceptedCount)
    text.gauge("tcp_send_queue_bytes", "Bytes written and not acknowledged.", tcp.unacknowledgedByteCount)
    text.gauge("tcp_receive_queue_bytes", "Bytes received and not read.", tcp.unreadByteCount)
    text.gauge("tcp_buffer_bytes", "Memory of all buffers.", tcp.bufferByteCount)
    text.counter("tcp_receive_bytes_total", "Bytes received in order.", tcp.bytesReceived)
    text.counter("tcp_transmit_bytes_total", "Bytes sent, each counted once.", tcp.bytesSent)
    text.counter("tcp_segments_received_total", "Segments received.", tcp.segmentsReceived)
    text.counter("tcp_segments_sent_total", "Segments sent.", tcp.segmentsSent)
    text.counter("tcp_segments_retransmitted_total", "Segments sent again.", tcp.segmentsRetransmitted)
    text.counter("tcp_retransmission_timeouts_total", "Expired timers.", tcp.retransmissionTimeouts)
    text.counter("tcp_segments_out_of_order_total", "Segments out of order.", tcp.segmentsOutOfOrder)
    text.counter("tcp_segments_malformed_total", "Segments that are none.", tcp.malformedSegments)
    text.counter("tcp_passive_opens_total", "Connections that a peer began.", tcp.passiveOpens)
    text.counter("tcp_active_opens_total", "Connections that were begun here.", tcp.activeOpens)
    text.counter("tcp_resets_sent_total", "Resets sent.", tcp.resetsSent)
    text.counter("tcp_reset_connections_total", "Connections that were reset.", tcp.resetConnections)
    text.counter("tcp_handshakes_dropped_total", "Handshakes dropped.", tcp.handshakesDropped)
    text.counter("tcp_cookies_sent_total", "SYN cookies sent.", tcp.cookiesSent)
  }
}

/// Lines of Prometheus' text format.
private struct MetricText {
  private(set) var text = ""

  mutating func gauge(_ name: StaticString, _ help: StaticString, _ value: some BinaryInteger & CustomStringConvertible)
  {
    add(name, help, "gauge", value.description)
  }

  mutating func counter(
    _ name: StaticString, _ help: StaticString, _ value: some BinaryInteger & CustomStringConvertible
  ) {
    add(name, help, "counter", value.description)
  }

  private mutating func add(_ name: StaticString, _ help: StaticString, _ type: StaticString, _ value: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n\(name) \(value)\n"
  }
}
