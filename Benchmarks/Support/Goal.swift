/// A figure and the most or the least that it should be.
package struct Goal {
  package let name: String
  package let measured: String
  package let limit: String
  package let isMet: Bool

  package init(_ name: String, _ measured: Ratio, atMost limit: Ratio) {
    self.name = name
    self.measured = measured.text
    self.limit = limit.text
    isMet = measured.thousandths <= limit.thousandths
  }

  package init(_ name: String, _ measured: Ratio, atLeast limit: Ratio) {
    self.name = name
    self.measured = measured.text
    self.limit = limit.text
    isMet = measured.thousandths >= limit.thousandths
  }

  /// A figure that could not be had: the goal is missed.
  package init(unmeasured name: String, limit: Ratio) {
    self.name = name
    measured = "-"
    self.limit = limit.text
    isMet = false
  }

  package init(_ name: String, _ measured: Int, atMost limit: Int) {
    self.name = name
    self.measured = "\(measured)"
    self.limit = "\(limit)"
    isMet = measured <= limit
  }
}
