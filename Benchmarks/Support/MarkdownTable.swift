/// A table as Markdown has it, laid out so that it is one without a renderer too.
package struct MarkdownTable {
  private var rows: [[String]]
  private let columns: Int

  /// The first column is text, the others are figures.
  package init(_ header: [String]) {
    columns = header.count
    rows = [header]
  }

  package mutating func row(_ cells: [String]) {
    rows.append(cells)
  }

  package var text: String {
    let widths = (0..<columns).map { column in rows.reduce(0) { max($0, $1[column].unicodeScalars.count) } }
    var lines = rows.map { row in
      (0..<columns).reduce("|") { $0 + " " + Self.padded(row[$1], to: widths[$1], toTheRight: $1 > 0) + " |" } + "\n"
    }
    let rule = (0..<columns).reduce("|") {
      let dashes = String(repeating: "-", count: widths[$1] + 1)
      return $0 + ($1 == 0 ? dashes + "-|" : dashes + ":|")
    }
    lines.insert(rule + "\n", at: 1)
    return lines.reduce("", +)
  }

  private static func padded(_ text: String, to width: Int, toTheRight: Bool) -> String {
    let padding = String(repeating: " ", count: width - text.unicodeScalars.count)
    return toTheRight ? padding + text : text + padding
  }
}
