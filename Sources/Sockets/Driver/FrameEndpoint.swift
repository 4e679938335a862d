import GuestKernel
import Network

/// What a network interface's frames come from and go to: the protocol stack, as the driver sees it.
///
/// Class-bound, so that Embedded Swift can have it as `any`.
protocol FrameEndpoint: AnyObject {
  /// The longest frame that `transmit` writes, in bytes.
  var frameLimit: Int { get }
  /// Whether `transmit` has anything to send.
  var hasOutput: Bool { get }
  /// Writes the next frame to send; nil if there is none. `frame` has room for `frameLimit` bytes.
  func transmit(into frame: inout MutableRawSpan) -> OutgoingFrame?
  /// Takes in a frame, which is valid during the call.
  ///
  /// - Parameter checksumIsValid: the device vouches for the checksum of its TCP or UDP.
  func receive(_ frame: RawSpan, checksumIsValid: Bool)
  /// All that has arrived was taken in: the tasks that wait for it go on.
  func settle()
  /// Does what is due by now.
  func advance()
  /// When `advance` has something to do, in nanoseconds of the machine's clock.
  var deadline: UInt64? { get }
  /// Whether a task waits for something that only the network can bring.
  var isAwaited: Bool { get }
}
