@testable import HTTP

/// What the parsers find in a stream of requests.
public enum Event: Equatable, CustomStringConvertible {
  case head(method: HTTPMethod, path: String, fields: [String])
  case content([UInt8])
  case end(trailers: [String])
  case fault(HTTPFault)

  public var description: String {
    switch self {
    case .head(let method, let path, let fields): "\(method) \(path) \(fields)"
    case .content(let bytes): "content '\(String(decoding: bytes, as: UTF8.self))'"
    case .end(let trailers): "end \(trailers)"
    case .fault(let fault): "fault: \(fault)"
    }
  }
}

/// Reads requests off bytes that come in pieces, as a server does. Content that comes in pieces is one event.
public struct RequestReader: ~Copyable {
  private let limits: HTTPLimits
  private var head: HeadParser<RequestLine>
  private var body: BodyDecoder
  private var isInBody = false
  public private(set) var events: [Event] = []

  public init(_ limits: HTTPLimits = HTTPLimits()) {
    self.limits = limits
    head = HeadParser(limits)
    body = BodyDecoder(limits)
  }

  private var hasFailed: Bool { if case .fault? = events.last { true } else { false } }

  public mutating func read(_ bytes: ArraySlice<UInt8>) {
    let bytes = Array(bytes)
    var position = 0
    while position < bytes.count, !hasFailed {
      do throws(HTTPFault) { try step(bytes.span, &position) } catch { events.append(.fault(error)) }
    }
  }

  private mutating func step(_ input: Span<UInt8>, _ position: inout Int) throws(HTTPFault) {
    if isInBody {
      if let piece = try body.next(input, &position) {
        var bytes: [UInt8] = []
        for index in piece { bytes.append(input[index]) }
        append(bytes)
      }
    } else {
      try head.parse(input, &position)
      guard head.isComplete else { return }
      let line = head.line!
      let facts = try HeadFacts(request: line, head.fields)
      let path = String(repairing: head.fields.text.bytes.extracting(line.target.path))
      events.append(.head(method: line.method, path: path, fields: Self.list(head.fields)))
      try body.begin(facts.length, limits)
      isInBody = true
    }
    if isInBody, body.isComplete {
      events.append(.end(trailers: body.isPlain ? [] : Self.list(body.chunks.trailers)))
      head.reset()
      isInBody = false
    }
  }

  private mutating func append(_ bytes: [UInt8]) {
    if case .content(let earlier)? = events.last {
      events[events.count - 1] = .content(earlier + bytes)
    } else {
      events.append(.content(bytes))
    }
  }

  private static func list(_ fields: borrowing HTTPFields) -> [String] {
    var list: [String] = []
    for index in 0..<fields.count {
      list.append("\(String(repairing: fields[nameAt: index]))=\(String(repairing: fields[valueAt: index]))")
    }
    return list
  }
}
