/// Told that something it watches has changed, and may be readable, writable, connected, closed, configured or done: look
/// again. Class-bound, so that Embedded Swift can have it as `any`.
///
/// Called from within the stack's own functions: an observer notes what happened (wakes a task), and does not call the
/// stack.
public protocol NetworkObserver: AnyObject {
  func networkDidChange()
}
