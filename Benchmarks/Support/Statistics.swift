extension Array where Element == Int {
  /// The smallest value that at least `percent` of a hundred values do not exceed (the nearest-rank percentile).
  package func percentile(_ percent: Int) -> Int {
    guard !isEmpty else { return 0 }
    let rank = (count * percent + 99) / 100
    return sorted()[Swift.max(rank, 1) - 1]
  }

  package var median: Int { percentile(50) }
}

/// A fraction in thousandths: as exact as these figures are, and Embedded Swift has no formatted floating point.
package struct Ratio {
  package let thousandths: Int

  package init(thousandths: Int) {
    self.thousandths = thousandths
  }

  package init(_ numerator: Int, to denominator: Int) {
    thousandths = (numerator * 1000 + denominator / 2) / Swift.max(denominator, 1)
  }

  package var text: String { Self.decimal((thousandths + 5) / 10, places: 2) }
  package var exactText: String { Self.decimal(thousandths, places: 3) }

  private static func decimal(_ value: Int, places: Int) -> String {
    let digits = value.description
    let padded = String(repeating: "0", count: Swift.max(places + 1 - digits.utf8.count, 0)) + digits
    return padded.dropLast(places) + "." + padded.suffix(places)
  }
}

/// Nanoseconds as microseconds with one decimal.
package func microseconds(_ nanoseconds: Int) -> String {
  let tenths = (nanoseconds.magnitude + 50) / 100
  return "\(nanoseconds < 0 ? "-" : "")\(tenths / 10).\(tenths % 10)"
}
