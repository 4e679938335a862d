/// Who waits to read from a connection, with the memory that the bytes are for: what comes in order is copied there from the
/// frame, once, and not to a buffer of the connection's before. Class-bound, so that Embedded Swift can have it as `any`.
public protocol TCPReader: AnyObject {
  /// Takes the bytes that come next, as many as there is room for; returns how many. What is left can be read.
  ///
  /// Called from within the stack's own functions, as `NetworkObserver`, which is told of the same bytes afterwards.
  func take(_ bytes: RawSpan) -> Int
}
