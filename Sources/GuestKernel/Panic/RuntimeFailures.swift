#if hasFeature(Embedded)
  // Release builds of Embedded Swift drop the messages of these functions; an application that imports GuestKernel gets
  // these instead, which keep them. In the hosted build the standard library's own serve.

  /// Ends the machine with a message and a backtrace. See Swift's `fatalError`.
  @inline(never)
  public func fatalError(
    _ message: @autoclosure () -> String = "", file: StaticString = #fileID, line: UInt = #line
  ) -> Never {
    fail("Fatal error", message(), file, line)
  }

  /// Ends the machine unless `condition` holds. See Swift's `precondition`.
  @inline(__always)
  public func precondition(
    _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String = "", file: StaticString = #fileID,
    line: UInt = #line
  ) {
    if !condition() { preconditionFailure(message(), file: file, line: line) }
  }

  /// Ends the machine: control came where it never should. See Swift's `preconditionFailure`.
  @inline(never)
  public func preconditionFailure(
    _ message: @autoclosure () -> String = "", file: StaticString = #fileID, line: UInt = #line
  ) -> Never {
    fail("Precondition failed", message(), file, line)
  }

  @inline(never)
  private func fail(_ kind: StaticString, _ message: String, _ file: StaticString, _ line: UInt) -> Never {
    let detail = message.isEmpty ? "" : ": \(message)"
    panic("\(file):\(line): \(kind)\(detail)")
  }
#endif
