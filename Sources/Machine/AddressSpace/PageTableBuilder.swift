import MachineABI

/// Builds the guest's page tables: four levels, identity-mapped (Intel SDM volume 3, 4.5).
struct PageTableBuilder {
  /// What a page allows.
  struct Access: Equatable {
    var isWritable = false
    var isExecutable = false
    /// For ring 0 only.
    var isSupervisor = false
  }

  // Intel SDM volume 3, tables 4-14 to 4-20.
  private static let present: UInt64 = 1 << 0
  private static let writable: UInt64 = 1 << 1
  private static let user: UInt64 = 1 << 2
  // Set beforehand, so that the processor need not write the tables when the guest first touches a page.
  private static let accessed: UInt64 = 1 << 5
  private static let dirty: UInt64 = 1 << 6
  private static let large: UInt64 = 1 << 7
  private static let noExecute: UInt64 = 1 << 63
  private static let addressMask: UInt64 = 0x000f_ffff_ffff_f000

  private static let entriesPerTable = 512
  private static let smallPage = UInt64(pageSize)
  private static let largePage = MachineLayout.largePage

  /// Invariant: `capacity` zeroed pages of host memory, which the guest sees at `guestAddress`.
  private let tables: UnsafeMutablePointer<UInt64>
  private let guestAddress: UInt64
  private let capacity: Int
  /// How many tables are in use; the first is the root.
  private(set) var count = 1

  init(tables: UnsafeMutableRawPointer, guestAddress: UInt64, capacity: Int) {
    self.tables = tables.assumingMemoryBound(to: UInt64.self)
    self.guestAddress = guestAddress
    self.capacity = capacity
  }

  /// What CR3 must hold.
  var root: UInt64 { guestAddress }

  /// Maps addresses to themselves, by large pages wherever a whole aligned one fits into the range if `usesLargePages`.
  mutating func map(_ range: Range<UInt64>, _ access: Access, usesLargePages: Bool = false) {
    precondition(range.lowerBound % Self.smallPage == 0 && range.upperBound % Self.smallPage == 0)
    var address = range.lowerBound
    while address < range.upperBound {
      if usesLargePages, address % Self.largePage == 0, range.upperBound - address >= Self.largePage {
        let directory = table(for: address, levels: 2)
        set(&tables[directory + Self.index(address, level: 1)], address | Self.large, access)
        address += Self.largePage
      } else {
        // All the entries of this table that the range reaches.
        let table = table(for: address, levels: 3)
        let end = min(range.upperBound, (address / Self.largePage + 1) * Self.largePage)
        while address < end {
          set(&tables[table + Self.index(address, level: 0)], address, access)
          address += Self.smallPage
        }
      }
    }
  }

  private func set(_ entry: inout UInt64, _ value: UInt64, _ access: Access) {
    precondition(entry == 0, "a page is mapped once")
    precondition(!(access.isWritable && access.isExecutable), "no page is writable and executable")
    entry =
      value | Self.present | Self.accessed | Self.dirty | (access.isWritable ? Self.writable : 0)
      | (access.isSupervisor ? 0 : Self.user) | (access.isExecutable ? 0 : Self.noExecute)
  }

  /// The table that is `levels` steps below the root on the way to an address, as an index into `tables`; made if missing.
  private mutating func table(for address: UInt64, levels: Int) -> Int {
    var table = 0
    for step in 0..<levels {
      let slot = table + Self.index(address, level: 3 - step)
      if tables[slot] == 0 {
        precondition(count < capacity, "the layout counted the tables")
        // The leaves decide what is allowed; the levels above allow everything.
        let next = guestAddress + UInt64(count) * Self.smallPage
        tables[slot] = next | Self.present | Self.writable | Self.user | Self.accessed
        count += 1
      }
      table = Int((tables[slot] & Self.addressMask) - guestAddress) / MemoryLayout<UInt64>.size
    }
    return table
  }

  /// The index that an address has in a table of this level; level 0 maps small pages.
  private static func index(_ address: UInt64, level: Int) -> Int {
    Int(address >> (12 + 9 * UInt64(level))) & (entriesPerTable - 1)
  }
}
