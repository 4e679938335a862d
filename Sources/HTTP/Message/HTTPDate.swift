import GuestKernel

/// The time of day as messages have it, `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate, RFC 9110, 5.6.7); written anew once a
/// second.
struct HTTPDate {
  /// Of the present text, since 1970; nil before the first.
  private var second: Int64?
  private(set) var text = InlineArray<29, UInt8>(repeating: ASCII.space)

  /// Sets the text to the present time.
  mutating func update() {
    update(to: WallClock.now.components.seconds)
  }

  /// - Parameter second: since 1970-01-01 00:00 UTC. A clock that is set to before that or to after the year 9999, for which
  ///   the format has no room, is taken for the nearest time that has a date.
  mutating func update(to second: Int64) {
    let second = min(max(second, 0), Self.lastSecond)
    guard second != self.second else { return }
    self.second = second
    let secondsPerDay: Int64 = 86_400
    let days = Int(second / secondsPerDay)
    let time = Int(second % secondsPerDay)
    let (year, month, day) = Self.date(daysSince1970: days)
    // 1970 began with a Thursday.
    put(Self.weekdays, (days + 4) % 7, at: 0)
    text[3] = ASCII.comma
    put(day, at: 5)
    put(Self.months, month - 1, at: 8)
    put(year / 100, at: 12)
    put(year % 100, at: 14)
    put(time / 3600, at: 17)
    text[19] = ASCII.colon
    put(time / 60 % 60, at: 20)
    text[22] = ASCII.colon
    put(time % 60, at: 23)
    put("GMT", 0, at: 26)
  }

  /// 9999-12-31 23:59:59 UTC.
  private static var lastSecond: Int64 { 253_402_300_799 }

  func append(to buffer: inout ByteBuffer) {
    buffer.append(text.span)
  }

  private static var weekdays: StaticString { "SunMonTueWedThuFriSat" }
  private static var months: StaticString { "JanFebMarAprMayJunJulAugSepOctNovDec" }

  private mutating func put(_ names: StaticString, _ index: Int, at offset: Int) {
    names.withUTF8Buffer { for letter in 0..<3 { text[offset + letter] = $0[3 * index + letter] } }
  }

  private mutating func put(_ number: Int, at offset: Int) {
    text[offset] = ASCII.zero + UInt8(number / 10)
    text[offset + 1] = ASCII.zero + UInt8(number % 10)
  }

  /// The day in the Gregorian calendar. Years are counted from March on, so that a leap day is the last of its year; 400 of
  /// them have 146,097 days.
  private static func date(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
    // From 0000-03-01 on.
    let days = days + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (400 * era + yearOfEra + (month <= 2 ? 1 : 0), month, day)
  }
}
