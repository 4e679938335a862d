import Sockets
import Storage

/// Notes by their names. Changes that come while a commit is under way are committed together, by the next one.
actor NoteStore {
  private let store: Storage<BlockDevice>
  /// Takes changes until its commit begins.
  private var openBatch: Batch?
  private var lastCommit: Task<[Outcome], Never>?

  /// What became of a change.
  enum Outcome: Sendable {
    case durable
    /// Nothing was changed.
    case refused(StorageError<BlockError>)
  }

  private struct Change {
    let name: StorageKey
    /// nil: the note is deleted.
    let text: [UInt8]?
  }

  /// Changes that are committed together.
  private final class Batch {
    var changes: [Change] = []
    var commit: Task<[Outcome], Never>?
  }

  init(_ store: Storage<BlockDevice>) { self.store = store }

  func text(of name: StorageKey) async throws(StorageError<BlockError>) -> [UInt8]? {
    try await store.get(name)
  }

  func names(prefix: StorageKey) async -> [StorageKey] {
    await store.list(prefix: prefix)
  }

  /// Gives a note a text, or deletes it. Returns when the change is on the disk, or refused.
  func change(_ name: StorageKey, to text: [UInt8]?) async -> Outcome {
    let batch = openBatch ?? beginBatch()
    let index = batch.changes.count
    batch.changes.append(Change(name: name, text: text))
    return await batch.commit!.value[index]
  }

  private func beginBatch() -> Batch {
    let batch = Batch()
    openBatch = batch
    let commit = Self.commitInTurn(self, after: lastCommit)
    batch.commit = commit
    lastCommit = commit
    return batch
  }

  private static nonisolated func commitInTurn(
    _ notes: NoteStore, after last: Task<[Outcome], Never>?
  ) -> Task<[Outcome], Never> {
    Task {
      _ = await last?.value
      return await notes.commitOpenBatch()
    }
  }

  // MARK: Committing

  /// Only one is under way at a time: each waits for the one before.
  private func commitOpenBatch() async -> [Outcome] {
    let changes = openBatch!.changes
    openBatch = nil
    if let together = await commit(changes) { return together }
    // One of them is too much for the store; the others need not suffer.
    var outcomes: [Outcome] = []
    for change in changes {
      do throws(StorageError<BlockError>) {
        try await apply(change)
        try await store.commit()
        outcomes.append(.durable)
      } catch {
        await store.discardChanges()
        outcomes.append(.refused(error))
      }
    }
    return outcomes
  }

  /// Commits all changes at once.
  ///
  /// - Returns: nil if that is not possible; nothing was changed then.
  private func commit(_ changes: [Change]) async -> [Outcome]? {
    do throws(StorageError<BlockError>) {
      for change in changes { try await apply(change) }
      try await store.commit()
      return [Outcome](repeating: .durable, count: changes.count)
    } catch {
      await store.discardChanges()
      return nil
    }
  }

  private func apply(_ change: Change) async throws(StorageError<BlockError>) {
    if let text = change.text {
      try await store.set(change.name, to: text)
    } else {
      try await store.delete(change.name)
    }
  }
}
