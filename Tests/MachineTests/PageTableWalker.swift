import MachineABI

/// Reads four-level page tables as a processor with 36 physical address bits does (Intel SDM volume 3, 4.5.4), all of
/// them: every address that it does not give is not mapped.
struct PageTableWalker {
  /// A page, of 4 KiB or 2 MiB, and what the entries on the way to it allow together (Intel SDM volume 3, 4.6.1).
  struct Page {
    var linear: UInt64
    var physical: UInt64
    var size: UInt64
    var rights: Rights
  }

  struct Rights: Equatable {
    var isUser: Bool
    var isWritable: Bool
    var isExecutable: Bool
  }

  /// In the order of their addresses.
  private(set) var pages: [Page] = []
  /// Where the tables are, the root first.
  private(set) var tables: [UInt64] = []
  /// What is wrong with the tables.
  private(set) var faults: [String] = []

  private let memory: (_ address: UInt64) -> UnsafeRawPointer?

  /// - Parameter memory: the host address of the page of guest-physical memory at an address; nil if there is none.
  init(root: UInt64, memory: @escaping (_ address: UInt64) -> UnsafeRawPointer?) {
    self.memory = memory
    walk(table: root, level: 4, linear: 0, Rights(isUser: true, isWritable: true, isExecutable: true))
  }

  /// The page that an address is in.
  func page(at address: UInt64) -> Page? {
    var low = 0, high = pages.count
    while low < high {
      let middle = (low + high) / 2
      if pages[middle].linear <= address { low = middle + 1 } else { high = middle }
    }
    guard low > 0, address - pages[low - 1].linear < pages[low - 1].size else { return nil }
    return pages[low - 1]
  }

  // Tables 4-15 to 4-20: the bits of an entry.
  private static let present: UInt64 = 1
  private static let writable: UInt64 = 1 << 1
  private static let user: UInt64 = 1 << 2
  private static let cacheControl: UInt64 = 1 << 3 | 1 << 4
  private static let accessed: UInt64 = 1 << 5
  private static let dirty: UInt64 = 1 << 6
  private static let pageSizeBit: UInt64 = 1 << 7
  private static let noExecute: UInt64 = 1 << 63
  private static let address: UInt64 = (1 << 36) - 4096
  /// Address bits that the processor does not have, ignored bits, protection keys: the builder has no use for them.
  private static let unused: UInt64 = 0x7fff_fff0_0000_0000 | 0xe00

  private mutating func walk(table: UInt64, level: UInt64, linear: UInt64, _ rights: Rights) {
    guard table % 4096 == 0, !tables.contains(table), let entries = memory(table) else {
      faults.append("a table of level \(level) at \(hex(table)), which is no page for it")
      return
    }
    tables.append(table)
    let shift = 12 + 9 * (level - 1)
    for index in 0..<512 as Range<UInt64> {
      let entry = entries.load(fromByteOffset: Int(8 * index), as: UInt64.self)
      if entry & Self.present == 0 {
        if entry != 0 { faults.append("an entry \(hex(entry)) that is not present at level \(level)") }
        continue
      }
      let linear = linear | index << shift
      let allowed = Rights(
        isUser: rights.isUser && entry & Self.user != 0, isWritable: rights.isWritable && entry & Self.writable != 0,
        isExecutable: rights.isExecutable && entry & Self.noExecute == 0)
      if entry & (Self.unused | Self.cacheControl) != 0 || entry & Self.accessed == 0 {
        faults.append("an entry \(hex(entry)) at level \(level) for \(hex(linear))")
      }
      let isLarge = level > 1 && entry & Self.pageSizeBit != 0
      guard level == 1 || isLarge else {
        walk(table: entry & Self.address, level: level - 1, linear: linear, allowed)
        continue
      }
      let size: UInt64 = 1 << shift
      // Of the sizes that there are, 1 GiB needs a processor feature that nothing else of the contract needs. A large
      // page's low address bits are reserved or mean the cache; a small page's bit 7 means the cache.
      if level > 2 || entry & Self.address & (size - 1) != 0 || level == 1 && entry & Self.pageSizeBit != 0 {
        faults.append("a page \(hex(entry)) at level \(level) for \(hex(linear))")
      }
      if entry & Self.dirty == 0 { faults.append("a page \(hex(entry)) that the processor would have to mark dirty") }
      pages.append(Page(linear: linear, physical: entry & Self.address, size: size, rights: allowed))
    }
  }

  private func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
}
