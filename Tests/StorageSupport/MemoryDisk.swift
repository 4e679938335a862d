import Storage
import Synchronization
import TaskGate

/// A device in memory that remembers what was done to it.
public final class MemoryDisk: BlockStorage {
  public struct Failure: Error, Equatable {
    public enum Operation: Equatable, Sendable { case read, write, flush }
    public let operation: Operation

    public init(operation: Operation) {
      self.operation = operation
    }
  }

  public enum Event: Equatable {
    case write(offset: Int, bytes: [UInt8])
    case flush
    /// What was written since the last flush may be lost even if the next one succeeds.
    case failedFlush
  }

  private struct State {
    var bytes: [UInt8]
    var trace: [Event] = []
    var records = false
    /// How many operations succeed before one fails; nil: all.
    var operationsBeforeFailure: Int?
    /// Whether all operations after the failing one fail, too.
    var staysBroken = false
    /// How many sectors of a failing write arrive.
    var sectorsOfFailingWrite = 0
    /// Writes before this offset fail.
    var brokenByteCount: UInt64 = 0
    /// The gate that the next read waits at.
    var gate: Gate?
    var flushCount = 0
    var writtenByteCount = 0
  }

  private let state: Mutex<State>
  /// Whether other tasks run while an operation does.
  private let yields: Bool
  public let byteCount: UInt64

  public init(byteCount: Int, yields: Bool = false) {
    self.yields = yields
    self.byteCount = UInt64(byteCount)
    state = Mutex(State(bytes: [UInt8](repeating: 0, count: byteCount)))
  }

  public init(_ bytes: [UInt8], yields: Bool = false) {
    self.yields = yields
    byteCount = UInt64(bytes.count)
    state = Mutex(State(bytes: bytes))
  }

  public var bytes: [UInt8] { state.withLock { $0.bytes } }
  public var flushCount: Int { state.withLock { $0.flushCount } }
  public var writtenByteCount: Int { state.withLock { $0.writtenByteCount } }

  public func change(_ body: (inout [UInt8]) -> Void) {
    state.withLock { state in body(&state.bytes) }
  }

  /// Begins to record writes and flushes.
  public func record() {
    state.withLock { $0.records = true }
  }

  /// What was recorded since the last call.
  public func takeTrace() -> [Event] {
    state.withLock { state in
      defer { state.trace = [] }
      return state.trace
    }
  }

  /// Lets an operation fail after `count` more have succeeded.
  public func fail(after count: Int, staysBroken: Bool = false, sectorsOfFailingWrite: Int = 0) {
    state.withLock {
      $0.operationsBeforeFailure = count
      $0.staysBroken = staysBroken
      $0.sectorsOfFailingWrite = sectorsOfFailingWrite
    }
  }

  public func repair() {
    state.withLock { $0.operationsBeforeFailure = nil }
  }

  /// Lets every write fail that is to the first bytes of the device.
  public func failWrites(before offset: UInt64) {
    state.withLock { $0.brokenByteCount = offset }
  }

  /// Lets the next read wait at a gate before it reads.
  public func holdNextRead(at gate: Gate) {
    state.withLock { $0.gate = gate }
  }

  /// Whether this operation is the one to fail.
  private static func fails(_ state: inout State) -> Bool {
    guard let left = state.operationsBeforeFailure else { return false }
    if left > 0 {
      state.operationsBeforeFailure = left - 1
      return false
    }
    if !state.staysBroken { state.operationsBeforeFailure = nil }
    return true
  }

  private static func check(_ offset: UInt64, _ count: Int, in state: borrowing State) {
    precondition(offset % 512 == 0 && count % 512 == 0 && count > 0, "not whole sectors: \(count) bytes at \(offset)")
    precondition(Int(offset) + count <= state.bytes.count, "beyond the end: \(count) bytes at \(offset)")
  }

  public nonisolated(nonsending) func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) async throws(Failure) {
    if yields { await Task.yield() }
    let gate = state.withLock { state in
      defer { state.gate = nil }
      return state.gate
    }
    await gate?.pass()
    nonisolated(unsafe) let buffer = buffer
    let failed = state.withLock { state in
      Self.check(offset, buffer.count, in: state)
      guard !Self.fails(&state) else { return true }
      state.bytes.withUnsafeBytes {
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<(Int(offset) + buffer.count)]))
      }
      return false
    }
    if failed { throw Failure(operation: .read) }
  }

  public nonisolated(nonsending) func write(_ buffer: UnsafeRawBufferPointer, at offset: UInt64) async throws(Failure) {
    if yields { await Task.yield() }
    nonisolated(unsafe) let buffer = buffer
    let failed = state.withLock { state in
      Self.check(offset, buffer.count, in: state)
      let fails = Self.fails(&state) || offset < state.brokenByteCount
      let count = fails ? min(buffer.count, 512 * state.sectorsOfFailingWrite) : buffer.count
      guard count > 0 else { return fails }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      state.bytes.withUnsafeMutableBytes {
        UnsafeMutableRawBufferPointer(rebasing: $0[Int(offset)..<(Int(offset) + count)]).copyMemory(from: bytes)
      }
      state.writtenByteCount += count
      if state.records { state.trace.append(.write(offset: Int(offset), bytes: Array(bytes))) }
      return fails
    }
    if failed { throw Failure(operation: .write) }
  }

  public nonisolated(nonsending) func flush() async throws(Failure) {
    if yields { await Task.yield() }
    let failed = state.withLock { state in
      let fails = Self.fails(&state)
      if !fails { state.flushCount += 1 }
      if state.records { state.trace.append(fails ? .failedFlush : .flush) }
      return fails
    }
    if failed { throw Failure(operation: .flush) }
  }
}
