import Machine

/// Sizes as the command line has them.
enum MemorySize {
  /// Bytes, from a decimal number with an optional K, M or G (powers of 1024). Whether a machine can have so much is not
  /// decided here.
  static func parse(_ text: String, option: String) throws(UsageError) -> UInt64 {
    var digits = text[...]
    var unit: UInt64 = 1
    switch digits.last {
    case "K", "k": unit = 1 << 10
    case "M", "m": unit = 1 << 20
    case "G", "g": unit = 1 << 30
    default: break
    }
    if unit > 1 { digits.removeLast() }
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { 0x30...0x39 ~= $0 }
    guard isNumber else {
      throw UsageError("run: \(option) is '\(text)'; expected a number with K, M or G, such as 64M")
    }
    guard let number = UInt64(digits) else { throw tooLarge(text, option) }
    let (size, overflow) = number.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw tooLarge(text, option) }
    let smallest = MachineConfiguration.memorySizes.lowerBound, largest = MachineConfiguration.memorySizes.upperBound
    guard size >= smallest, size <= largest, size % 4096 == 0 else {
      throw UsageError(
        "run: \(option) is '\(text)'; expected a multiple of 4K from \(smallest >> 20)M to \(largest >> 30)G")
    }
    return size
  }

  private static func tooLarge(_ text: String, _ option: String) -> UsageError {
    UsageError("run: \(option) is '\(text)'; expected at most \(MachineConfiguration.memorySizes.upperBound >> 30)G")
  }
}
