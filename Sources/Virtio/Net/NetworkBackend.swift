/// What the other side of a network device can have left undone in a frame (virtio-1.2 §5.1.3).
public struct NetworkOffloads: OptionSet, Sendable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The checksum of TCP or UDP is only the pseudo header's, and to be completed.
  public static let checksum = NetworkOffloads(rawValue: 1)
  /// A segment of TCP over IPv4 is longer than the link takes, and to be cut.
  public static let segmentsIPv4 = NetworkOffloads(rawValue: 2)
  /// The same over IPv6.
  public static let segmentsIPv6 = NetworkOffloads(rawValue: 4)
}

/// What a network device's frames come from and go to.
///
/// Everything is called with the device lock held, and nothing here ever waits. Class-bound, so that Embedded Swift can
/// have it as `any`.
public protocol NetworkBackend: AnyObject {
  /// Whether each frame has a `virtio_net_hdr` before it, both ways.
  var hasHeaders: Bool { get }
  /// What it completes in frames that it is given, and can leave to who receives its frames. Empty without headers.
  var offloads: NetworkOffloads { get }
  /// The most that a packet in a frame may have, in bytes, if somebody said so.
  var mtu: Int? { get }
  /// Readable when there are frames or an end to find out by reading; writable when a frame that did not go may go. Not
  /// valid any more once something `failed`.
  var descriptor: Int32 { get }

  /// A driver begins to receive, and does itself what `offloads` says.
  func beginReceiving(_ offloads: NetworkOffloads)
  /// Reads a frame into memory. If a frame has only come in part, the next call goes on with it, and has to have the same
  /// memory at its front.
  func receive(into memory: inout FrameVectors) -> NetworkReception
  /// The driver takes its memory back: what is still to come of a frame that has come in part goes nowhere.
  func endReceiving()

  /// Writes a frame. If it did not go, the same memory, as this left it, is for the next call.
  func send(_ memory: inout FrameVectors) -> NetworkSending
  /// The driver takes its memory back with a frame that `send` left waiting: the rest of it is copied if it must go.
  func endSending(_ memory: inout FrameVectors)

  /// The device is done with it: whatever was started for it ends. Nothing else is called afterwards but this.
  ///
  /// - Returns: a line about what has not ended, if anything.
  func end() -> String?
}

extension NetworkBackend {
  /// Nothing was started.
  public func end() -> String? { nil }
}

/// What came of reading a frame.
public enum NetworkReception {
  /// A frame of so many bytes, its header included where there are headers.
  case frame(Int)
  /// A frame that was longer than the memory for it, or no frame at all: it is gone.
  case dropped
  /// Nothing, or no whole frame, is there now.
  case nothing
  /// Nothing more will come.
  case failed(NetworkBackendError)
}

/// What came of writing a frame.
public enum NetworkSending {
  /// All of it went.
  case sent
  /// Not this frame, for what it is or where the other side is: it is gone.
  case refused
  /// The other side takes no more now.
  case full
  /// Nothing more can go.
  case failed(NetworkBackendError)
}
