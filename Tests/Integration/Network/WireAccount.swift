/// What one direction of a wire has done.
struct WireAccount: Equatable {
  var carried = 0, lost = 0, duplicated = 0, corrupted = 0, reordered = 0, tooLarge = 0

  var text: String {
    "\(carried) carried, \(lost) lost, \(duplicated) duplicated, \(corrupted) corrupted, \(reordered) reordered, "
      + "\(tooLarge) too large"
  }

  init() {}

  /// Reads what `text` has written.
  init?(text: String) {
    let numbers = text.words.compactMap { Int($0) }
    guard numbers.count == 6 else { return nil }
    (carried, lost, duplicated) = (numbers[0], numbers[1], numbers[2])
    (corrupted, reordered, tooLarge) = (numbers[3], numbers[4], numbers[5])
  }
}
