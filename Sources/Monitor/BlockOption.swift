import Machine

/// Block devices as the command line has them.
enum BlockOption {
  /// Reads `NAME=PATH`, and behind it `,ro` and `,direct` in any order. A path may have commas: only these words at its end
  /// are taken for options.
  static func parse(_ text: String) throws(UsageError) -> BlockAttachment {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else {
      throw UsageError("run: --block is '\(text)'; expected NAME=PATH[,ro][,direct]")
    }
    var attachment = BlockAttachment(name: String(parts[0]), path: "")
    var path = parts[1]
    while true {
      if path.hasSuffix(",ro") {
        attachment.isReadOnly = true
        path = path.dropLast(3)
      } else if path.hasSuffix(",direct") {
        attachment.isDirect = true
        path = path.dropLast(7)
      } else {
        break
      }
    }
    guard !path.isEmpty else { throw UsageError("run: --block is '\(text)'; expected a path behind '\(parts[0])='") }
    attachment.path = String(path)
    return attachment
  }
}
