/// How the guest's heap divides its region: tables first, then blocks.
///
/// That is the guest's own affair. The monitor knows of it to give a starting guest the pages beforehand that it will use.
public struct HeapTables {
  /// The granularity at which memory is given to blocks, in bytes.
  public static let unitSize = 1024
  /// What the tables have for each unit, in bytes.
  public static let recordSize = 16
  /// What they have in front of the records, in bytes.
  public static let headSize = 808

  /// How many units there are.
  public let unitCount: Int
  /// The size of all tables, in bytes; blocks begin behind them.
  public let byteCount: Int

  /// - Parameter regionSize: of tables and blocks, in bytes; not less than a page.
  public init(regionSize: Int) {
    // One record more than there are units: number 0 is none.
    let unitCount = (regionSize - Self.headSize - Self.recordSize) / (Self.unitSize + Self.recordSize)
    let byteCount = Self.headSize + Self.recordSize * (unitCount + 1)
    self.byteCount = (byteCount + Self.unitSize - 1) & ~(Self.unitSize - 1)
    // Rounding up the tables costs less than one unit.
    self.unitCount = self.byteCount + unitCount * Self.unitSize > regionSize ? unitCount - 1 : unitCount
  }
}
