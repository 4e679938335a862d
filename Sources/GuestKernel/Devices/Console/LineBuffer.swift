/// Turns what arrives on a console into lines; on a terminal that the guest has to edit itself, with echo.
///
/// A line ends with LF, CR, or CR LF. On a terminal, backspace and DEL take back one character and ^U the line, and ^D ends
/// the input if the line is empty. What is left when the input ends is a line as well.
struct LineBuffer {
  /// The greatest length of a line in bytes; a longer one comes in pieces.
  let maximumLength: Int
  /// The guest echoes and edits.
  let isTerminal: Bool

  /// Arrived, not looked at yet.
  private var input: [UInt8] = []
  private var inputStart = 0
  /// The line that has begun.
  private var line: [UInt8] = []
  /// The last byte was a CR: a LF now belongs to it.
  private var skipsLineFeed = false
  private var inputHasEnded = false

  /// Never inlined: the compiler puts the storage that all empty arrays share beside the first code that makes one, and what
  /// else is there is then in every image. Beside this there is nothing.
  @inline(never)
  init(maximumLength: Int, isTerminal: Bool) {
    self.maximumLength = maximumLength
    self.isTerminal = isTerminal
  }

  /// What looking at the input led to.
  enum Outcome: Equatable {
    case line([UInt8])
    /// The input has ended. That of a terminal may go on all the same.
    case end
    /// More input is needed.
    case nothing
  }

  /// Whether bytes have arrived that nobody has taken.
  var hasInput: Bool { inputStart < input.count || inputHasEnded }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if inputStart == input.count {
      input.removeAll(keepingCapacity: true)
      inputStart = 0
    }
    input.append(contentsOf: bytes)
  }

  /// The input has ended, for ever.
  mutating func end() {
    inputHasEnded = true
  }

  /// Takes a line.
  ///
  /// - Parameter echo: is given what to show on the terminal.
  mutating func takeLine(echo: ([UInt8]) -> Void) -> Outcome {
    var shown: [UInt8] = []
    defer { if !shown.isEmpty { echo(shown) } }
    while inputStart < input.count {
      let byte = input[inputStart]
      inputStart += 1
      if skipsLineFeed {
        skipsLineFeed = false
        if byte == Key.lineFeed { continue }
      }
      switch byte {
      case Key.lineFeed, Key.carriageReturn:
        skipsLineFeed = byte == Key.carriageReturn
        if isTerminal { shown += [Key.carriageReturn, Key.lineFeed] }
        return .line(takeAll())
      case Key.endOfTransmission where isTerminal:
        if line.isEmpty { return .end }
      case Key.backspace where isTerminal, Key.delete where isTerminal:
        if eraseCharacter() { shown += Key.erasure }
      case Key.eraseLine where isTerminal:
        while eraseCharacter() { shown += Key.erasure }
      default:
        // Other control characters would do on the screen what the line does not show.
        if isTerminal, byte < Key.space, byte != Key.tab { continue }
        if line.count == maximumLength {
          inputStart -= 1
          return .line(takePiece())
        }
        line.append(byte)
        if isTerminal { shown.append(byte) }
      }
    }
    guard inputHasEnded else { return .nothing }
    return line.isEmpty ? .end : .line(takeAll())
  }

  /// Takes bytes as they arrived, those of a line that has begun first.
  ///
  /// - Returns: how many; 0 when there are none.
  mutating func take(into bytes: UnsafeMutableRawBufferPointer) -> Int {
    if skipsLineFeed, inputStart < input.count {
      skipsLineFeed = false
      if input[inputStart] == Key.lineFeed { inputStart += 1 }
    }
    let begun = min(line.count, bytes.count)
    for index in 0..<begun { bytes[index] = line[index] }
    line.removeFirst(begun)
    let rest = min(input.count - inputStart, bytes.count - begun)
    for index in 0..<rest { bytes[begun + index] = input[inputStart + index] }
    inputStart += rest
    return begun + rest
  }

  var hasEnded: Bool { inputHasEnded && inputStart == input.count && line.isEmpty }

  private mutating func takeAll() -> [UInt8] {
    let taken = line
    line = []
    return taken
  }

  /// Takes a full line, but for a character at its end of which more is to come.
  private mutating func takePiece() -> [UInt8] {
    var end = line.count
    while end > 0, line.count - end < 3, Self.continuesCharacter(line[end - 1]) { end -= 1 }
    // The character that those bytes continue, if it is whole.
    if end > 0, line[end - 1] >= 0xc0 {
      let length = line[end - 1] >= 0xf0 ? 4 : line[end - 1] >= 0xe0 ? 3 : 2
      end = line.count - (end - 1) >= length ? line.count : end - 1
    } else {
      end = line.count
    }
    if end == 0 { end = line.count }
    let piece = Array(line[..<end])
    line.removeFirst(end)
    return piece
  }

  /// Takes back one character of UTF-8, its continuation bytes included; false if there is none.
  private mutating func eraseCharacter() -> Bool {
    guard !line.isEmpty else { return false }
    while let last = line.popLast(), Self.continuesCharacter(last) {}
    return true
  }

  private static func continuesCharacter(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }

  /// ASCII.
  private enum Key {
    static var endOfTransmission: UInt8 { 0x04 }
    static var backspace: UInt8 { 0x08 }
    static var tab: UInt8 { 0x09 }
    static var lineFeed: UInt8 { 0x0a }
    static var carriageReturn: UInt8 { 0x0d }
    static var eraseLine: UInt8 { 0x15 }
    static var space: UInt8 { 0x20 }
    static var delete: UInt8 { 0x7f }
    /// Goes back, overwrites the character with a space, and goes back again.
    static var erasure: [UInt8] { [backspace, space, backspace] }
  }
}
