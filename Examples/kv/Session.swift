import GuestKernel
import Storage

/// Answers one line after the other.
struct Session {
  let store: Storage<BlockDevice>
  private var commitCount = 0

  init(store: Storage<BlockDevice>) {
    self.store = store
  }

  /// Returns at "quit" and at the end of the input.
  consuming func run() async {
    while let line = await nextLine() {
      do throws(Command.Mistake) {
        guard await answer(try Command(line)) else { return }
      } catch {
        print("error: \(error.description)")
      }
    }
  }

  private func nextLine() async -> String? {
    if Console.isInteractive {
      write("> ")
      Console.flush()
    }
    return await Console.readLine()
  }

  /// Returns whether to go on.
  private mutating func answer(_ command: Command) async -> Bool {
    if case .quit = command { return false }
    do throws(StorageError<BlockError>) {
      try await perform(command)
    } catch {
      print("error: \(error.description)")
    }
    return true
  }

  private mutating func perform(_ command: Command) async throws(StorageError<BlockError>) {
    switch command {
    case .set(let key, let value): try await store.set(key, to: value)
    case .get(let key):
      if let value = try await store.get(key) {
        value.withUnsafeBytes { Console.write($0) }
        print()
      } else {
        print("error: '\(key.description)' has no value")
      }
    case .delete(let key): try await store.delete(key)
    case .list(let prefix): for key in await store.list(prefix: prefix) { print(key.description) }
    case .commit:
      try await store.commit()
      commitCount += 1
      print("committed \(commitCount)")
    case .discard: await store.discardChanges()
    case .help: print("set KEY VALUE | get KEY | delete KEY | list [PREFIX] | commit | discard | help | quit")
    case .nothing, .quit: break
    }
  }

  private func write(_ text: String) {
    Array(text.utf8).withUnsafeBytes { Console.write($0) }
  }
}
