import MachineABI

/// The heap's records about one *unit* of 1 KiB, the granularity at which memory is given to slabs and large blocks.
///
/// The records lie in one table at the start of the region, below all blocks: a program that writes past the end of
/// a block moves away from them. All zero means never used, so that the table needs no initialisation and only those
/// of its pages are touched that describe memory in use.
///
/// What a record holds depends on its place:
///
/// | unit                     | `payload`                  | `next`, `previous`       | `tag`              |
/// | ------------------------ | -------------------------- | ------------------------ | ------------------ |
/// | first of a large block   | length and requested size  | -                        | -                  |
/// | first of a slab          | bit set of the free slots  | partly used slabs        | size class         |
/// | later of a slab          | -                          | -                        | distance to first  |
/// | first of a free run      | length                     | free runs of that length | -                  |
/// | last of a free run       | length                     | -                        | -                  |
struct Unit {
  /// The size of a unit, in bytes. Four share a page, so that the first blocks of many sizes touch few pages.
  static let size = HeapTables.unitSize

  /// Units are numbered in 24 bits. Number 0 is no unit: it ends lists.
  static let numberMask: UInt32 = 0xff_ffff

  /// What the unit is at present, or was last.
  enum State {
    /// No block or slab ever began here.
    static let untouched: UInt8 = 0
    /// A large block begins here.
    static let block: UInt8 = 1
    /// A slab begins here.
    static let slab: UInt8 = 2
    /// A slab that began before continues here.
    static let slabContinued: UInt8 = 3
    /// A large block began here and has been freed.
    static let freedBlock: UInt8 = 4
    /// A slab was here and has been freed.
    static let freedSlab: UInt8 = 5
    /// Flag: the first unit of a free run. Never together with a live state.
    static let firstOfFreeRun: UInt8 = 0x40
    /// Flag: the last unit of a free run. Never together with a live state.
    static let lastOfFreeRun: UInt8 = 0x80
    /// Everything but the flags.
    static let kindMask: UInt8 = 0x3f
  }

  var payload: UInt64
  private var nextAndState: UInt32
  private var previousAndTag: UInt32

  var next: UInt32 {
    get { nextAndState & Unit.numberMask }
    set { nextAndState = nextAndState & ~Unit.numberMask | newValue }
  }

  var previous: UInt32 {
    get { previousAndTag & Unit.numberMask }
    set { previousAndTag = previousAndTag & ~Unit.numberMask | newValue }
  }

  var state: UInt8 {
    get { UInt8(truncatingIfNeeded: nextAndState &>> 24) }
    set { nextAndState = nextAndState & Unit.numberMask | UInt32(newValue) &<< 24 }
  }

  var tag: UInt8 {
    get { UInt8(truncatingIfNeeded: previousAndTag &>> 24) }
    set { previousAndTag = previousAndTag & Unit.numberMask | UInt32(newValue) &<< 24 }
  }

  /// The number of units in the large block or free run. Changing it forgets `requestedSize`.
  var length: Int {
    get { Int(truncatingIfNeeded: payload) & Int(Unit.numberMask) }
    set { payload = UInt64(truncatingIfNeeded: newValue) }
  }

  /// The size in bytes that was asked for, of a large block in a heap that checks overruns.
  var requestedSize: Int {
    get { Int(truncatingIfNeeded: payload &>> 24) }
    set { payload = payload & UInt64(Unit.numberMask) | UInt64(truncatingIfNeeded: newValue) &<< 24 }
  }
}
