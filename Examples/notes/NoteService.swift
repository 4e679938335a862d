import HTTP
import Sockets
import Storage

/// What the service answers.
enum NoteService {
  /// Of a note, in bytes.
  private static let noteLimit = 256 << 10

  static func makeServer(of notes: NoteStore) -> HTTPServer {
    var router = HTTPRouter()
    router.get("/notes") { request, response throws(HTTPError) in
      try await Self.list(notes, request, &response)
    }
    router.get("/notes/:name") { request, response throws(HTTPError) in
      guard let text = try await Self.text(of: try Self.name(request), in: notes) else { throw .status(.notFound) }
      try await response.send(text)
    }
    router.put("/notes/:name") { request, response throws(HTTPError) in
      let name = try Self.name(request)
      let text = try await request.body(upTo: Self.noteLimit)
      try await Self.answer(await notes.change(name, to: text), &response)
    }
    router.delete("/notes/:name") { request, response throws(HTTPError) in
      let name = try Self.name(request)
      guard try await Self.text(of: name, in: notes) != nil else { throw .status(.notFound) }
      try await Self.answer(await notes.change(name, to: nil), &response)
    }
    router.post("/quit") { request, response throws(HTTPError) in
      request.server.stop()
      try await response.send("bye\n")
    }
    return HTTPServer(router: router)
  }

  private static func name(_ request: borrowing HTTPRequest) throws(HTTPError) -> StorageKey {
    guard let name = request.parameter("name") else { throw .status(.badRequest) }
    guard name.utf8.count <= StorageLimits.keyByteCount else { throw .status(.uriTooLong) }
    return StorageKey(name)
  }

  private static func text(of name: StorageKey, in notes: NoteStore) async throws(HTTPError) -> [UInt8]? {
    do throws(StorageError<BlockError>) {
      return try await notes.text(of: name)
    } catch {
      print("error: \(error.description)")
      throw .status(.internalServerError)
    }
  }

  private static func list(
    _ notes: NoteStore, _ request: borrowing HTTPRequest, _ response: inout HTTPResponse
  ) async throws(HTTPError) {
    let names = await notes.names(prefix: StorageKey(request.query("prefix") ?? ""))
    var json = JSONWriter()
    json.array { json in
      for name in names { json.string(name.description) }
    }
    try await response.send(json.bytes, as: JSONWriter.type)
  }

  private static func answer(
    _ outcome: NoteStore.Outcome, _ response: inout HTTPResponse
  ) async throws(HTTPError) {
    switch outcome {
    case .durable: response.status = .noContent
    case .refused(let error):
      response.status = error.status
      return try await response.send("\(error.description)\n")
    }
    try await response.send()
  }
}

extension StorageError {
  /// What a client is told.
  fileprivate var status: HTTPStatus {
    switch self {
    case .full, .tooManyKeys: .insufficientStorage
    case .valueTooLong, .tooManyChanges: .contentTooLarge
    case .badKeyLength: .badRequest
    case .device, .notAStore, .unsupportedVersion, .damaged, .deviceTooSmall: .internalServerError
    }
  }
}
