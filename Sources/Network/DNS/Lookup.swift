/// A name's addresses on their way.
public final class Lookup {
  /// nil until it is done.
  public internal(set) var result: Result<[IPAddress], DNSError>?
  /// Told once when `result` is there. Not kept alive: see `TCPSocket.observer`.
  public unowned(unsafe) var observer: (any NetworkObserver)?

  init(result: Result<[IPAddress], DNSError>? = nil) {
    self.result = result
  }

  /// Ends the lookup with `.cancelled`, unless it is done. The observer is not told. What it has open is closed in the next
  /// turn.
  public func cancel() {
    guard result == nil else { return }
    observer = nil
    result = .failure(.cancelled)
  }

  func finish(_ result: Result<[IPAddress], DNSError>) {
    guard self.result == nil else { return }
    self.result = result
    observer?.networkDidChange()
    observer = nil
  }
}
