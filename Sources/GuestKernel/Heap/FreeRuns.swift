/// The free units of the heap: allocation of contiguous runs of units, with coalescing.
///
/// Freed runs are kept in segregated lists ("bins"), one for every length up to 7 units and eight for every power of
/// two above, with a bit map that says which bins have members (Masmano et al., "TLSF: a New Dynamic Memory Allocator
/// for Real-Time Systems", ECRTS 2004, without its in-band headers). Finding a run is therefore a search in three words
/// whatever the fragmentation, and so is returning one: the neighbours are found through the records of the first
/// and last unit of every free run. Only when neither a bin nor the untouched memory can serve a request are those runs
/// searched that may or may not be long enough: one bin, or a few more for an alignment of 2 KiB and above.
///
/// The units from `frontier` on are free and belong to no list. None of them has to be recorded as free, which is
/// why a heap starts without touching memory, and memory below the frontier is preferred for being touched already.
///
/// Invariants: no two free runs are neighbours; no free run ends at the frontier; a record has the flag
/// `firstOfFreeRun` (`lastOfFreeRun`) exactly when a listed run begins (ends) there; a record has a live state exactly
/// when a block or slab begins there (a slab: continues there).
struct FreeRuns: ~Copyable {
  /// Records by unit number, from 0 (no unit, always zero) up to `limit` - 1.
  let units: UnsafeMutablePointer<Unit>

  /// The first unit of each bin's first run, `binCount` of them.
  private let bins: UnsafeMutablePointer<UInt32>

  /// Which bins have members, `binMapWords` words.
  private let binMap: UnsafeMutablePointer<UInt64>

  /// Everything from here to `limit` is free.
  private(set) var frontier = 1

  /// One more than the number of the last unit.
  let limit: Int

  /// The number of free units.
  private(set) var freeCount: Int

  /// Runs of so many units are long.
  private static let longRun = 64
  /// The units below this one are not for the first long runs: what a program has when it starts are many short blocks and a few
  /// long ones, such as a device's buffers, of which it touches little. So the short ones lie on neighbouring pages, for which
  /// there is one fault, and which the monitor gives beforehand.
  private static let lead = 128

  /// log2 of the number of bins for every power of two.
  private static let binBits = 3
  private static let binCount = (24 - binBits + 1) << binBits
  private static let binMapWords = (binCount + 63) / 64

  /// What the bins need of the heap's tables, in bytes.
  static let tableSize = binMapWords * MemoryLayout<UInt64>.size + binCount * MemoryLayout<UInt32>.size

  /// Makes all units from 1 to `limit` - 1 free.
  ///
  /// `table` has `tableSize` zeroed bytes aligned to 8, `units` has `limit` zeroed records; both outlive this value.
  init(table: UnsafeMutableRawPointer, units: UnsafeMutablePointer<Unit>, limit: Int) {
    self.units = units
    self.limit = limit
    freeCount = limit - 1
    binMap = table.bindMemory(to: UInt64.self, capacity: FreeRuns.binMapWords)
    bins = (table + FreeRuns.binMapWords * MemoryLayout<UInt64>.size)
      .bindMemory(to: UInt32.self, capacity: FreeRuns.binCount)
  }

  /// Takes a run of `count` units (at least 1) whose first is congruent to `phase` modulo `alignment`, a power of two.
  /// Returns the number of the first unit, or nil when there is no such run.
  mutating func take(_ count: Int, alignment: Int, phase: Int) -> Int? {
    guard count < limit else { return nil }
    // The run of about this length that was freed last, so that a size that comes and goes gets the same memory.
    let likely = Int(bins[FreeRuns.bin(roundingDown: count)])
    if likely != 0, let start = fit(count, alignment, phase, in: likely) {
      return carve(count, at: start, from: likely)
    }
    // A run of this length has an aligned part wherever it begins.
    let sufficient = count &+ alignment &- 1
    if let bin = firstBin(atLeast: FreeRuns.bin(roundingUp: sufficient)) {
      let run = Int(bins[bin])
      return carve(count, at: run &+ FreeRuns.gap(at: run, alignment, phase), from: run)
    }
    var start = frontier &+ FreeRuns.gap(at: frontier, alignment, phase)
    if count >= FreeRuns.longRun, start < FreeRuns.lead {
      let behind = FreeRuns.lead &+ FreeRuns.gap(at: FreeRuns.lead, alignment, phase)
      if behind &+ count <= limit { start = behind }
    }
    if start &+ count <= limit {
      let end = frontier
      frontier = start &+ count
      freeCount &-= frontier &- end
      if start > end { put(end, start &- end) }
      return start
    }
    return takeBySearch(count, alignment: alignment, phase: phase)
  }

  /// The last resort of `take`: looks at every run that may be long enough.
  @inline(never)
  private mutating func takeBySearch(_ count: Int, alignment: Int, phase: Int) -> Int? {
    var candidate = firstBin(atLeast: FreeRuns.bin(roundingDown: count))
    while let bin = candidate {
      var run = Int(bins[bin])
      while run != 0 {
        if let start = fit(count, alignment, phase, in: run) { return carve(count, at: start, from: run) }
        run = Int(units[run].next)
      }
      candidate = firstBin(atLeast: bin &+ 1)
    }
    return nil
  }

  /// Takes the `extra` units (at least 1) from `start` on, if they are free. `start` follows a live unit.
  mutating func extend(at start: Int, by extra: Int) -> Bool {
    if start == frontier {
      guard extra <= limit &- start else { return false }
      frontier = start &+ extra
      freeCount &-= extra
      return true
    }
    guard units[start].state & Unit.State.firstOfFreeRun != 0, units[start].length >= extra else { return false }
    _ = carve(extra, at: start, from: start)
    return true
  }

  /// Gives back the `count` units (at least 1) from `start` on. Their records no longer have live states.
  mutating func put(_ start: Int, _ count: Int) {
    var start = start
    var end = start &+ count
    freeCount &+= count
    // Record 0 is no unit and has no flags, so that unit 1 needs no check of its own.
    if units[start &- 1].state & Unit.State.lastOfFreeRun != 0 {
      start &-= units[start &- 1].length
      unlink(start)
    }
    if end == frontier {
      frontier = start
      return
    }
    if units[end].state & Unit.State.firstOfFreeRun != 0 {
      let following = end
      end &+= units[following].length
      unlink(following)
    }
    link(start, end &- start)
  }

  /// The number of units in the longest free run. Looks at all runs of one bin.
  var longest: Int {
    var longest = limit &- frontier
    var bin = FreeRuns.binCount &- 1
    while bin > 0, bins[bin] == 0 { bin &-= 1 }
    var run = Int(bins[bin])
    while run != 0 {
      longest = max(longest, units[run].length)
      run = Int(units[run].next)
    }
    return longest
  }

  /// Where `count` units so aligned begin in the free run at `run`, or nil when it has no such part.
  private func fit(_ count: Int, _ alignment: Int, _ phase: Int, in run: Int) -> Int? {
    let start = run &+ FreeRuns.gap(at: run, alignment, phase)
    return start &+ count <= run &+ units[run].length ? start : nil
  }

  /// Takes `count` units from `start` on out of the free run at `run`, which contains them, and lists what remains.
  private mutating func carve(_ count: Int, at start: Int, from run: Int) -> Int {
    let end = run &+ units[run].length
    unlink(run)
    if start > run { link(run, start &- run) }
    if start &+ count < end { link(start &+ count, end &- start &- count) }
    freeCount &-= count
    return start
  }

  private mutating func link(_ start: Int, _ count: Int) {
    let bin = FreeRuns.bin(roundingDown: count)
    let head = bins[bin]
    let last = start &+ count &- 1
    units[last].length = count
    units[last].state |= Unit.State.lastOfFreeRun
    units[start].length = count
    units[start].state |= Unit.State.firstOfFreeRun
    units[start].previous = 0
    units[start].next = head
    if head != 0 { units[Int(head)].previous = UInt32(truncatingIfNeeded: start) }
    bins[bin] = UInt32(truncatingIfNeeded: start)
    binMap[bin &>> 6] |= 1 &<< UInt64(bin & 63)
  }

  private mutating func unlink(_ start: Int) {
    let count = units[start].length
    let (previous, next) = (units[start].previous, units[start].next)
    if next != 0 { units[Int(next)].previous = previous }
    if previous != 0 {
      units[Int(previous)].next = next
    } else {
      let bin = FreeRuns.bin(roundingDown: count)
      bins[bin] = next
      if next == 0 { binMap[bin &>> 6] &= ~(1 &<< UInt64(bin & 63)) }
    }
    units[start].state &= ~Unit.State.firstOfFreeRun
    units[start &+ count &- 1].state &= ~Unit.State.lastOfFreeRun
  }

  /// The first bin from `bin` on that has members.
  private func firstBin(atLeast bin: Int) -> Int? {
    var word = bin &>> 6
    var members = binMap[word] & (~0 &<< UInt64(bin & 63))
    while members == 0 {
      word &+= 1
      guard word < FreeRuns.binMapWords else { return nil }
      members = binMap[word]
    }
    return word &<< 6 &+ members.trailingZeroBitCount
  }

  /// The bin that runs of `count` units are kept in.
  private static func bin(roundingDown count: Int) -> Int {
    if count < 1 &<< binBits { return count }
    let shift = 63 &- count.leadingZeroBitCount &- binBits
    return shift &<< binBits &+ count &>> shift
  }

  /// The first bin all of whose runs have at least `count` units.
  private static func bin(roundingUp count: Int) -> Int { bin(roundingDown: count &- 1) &+ 1 }

  /// How far the first unit from `unit` on that is congruent to `phase` modulo `alignment` is away.
  private static func gap(at unit: Int, _ alignment: Int, _ phase: Int) -> Int { (phase &- unit) & (alignment &- 1) }
}
