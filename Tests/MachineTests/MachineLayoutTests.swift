import MachineABI
import SeededRandom
import Testing

@testable import Machine

/// Where everything goes.
@Suite struct MachineLayoutTests {
  private static let page = UInt64(pageSize)
  private static let smallest = MachineLayout.smallestMemory
  private static let largest = MachineLayout.largestMemory

  /// What must hold of every layout.
  private func check(_ layout: MachineLayout, _ demands: MachineLayout.Demands) {
    let page = Self.page
    let parts: [(name: String, start: UInt64, end: UInt64)] = [
      ("device registers", layout.deviceRegisters, layout.controlPage),
      ("control page", layout.controlPage, layout.controlPage + page),
      ("image", layout.imageBase, layout.imageBase + layout.imageSize),
      ("stack", layout.stackBase, layout.stackTop),
      ("thread-locals", layout.threadLocals, layout.threadControlBlock),
      ("thread control block", layout.threadControlBlock, layout.sharedPage),
      ("shared page", layout.sharedPage, layout.sharedPage + page),
      ("boot information", layout.bootInfo, layout.bootInfo + layout.bootInfoSize),
      ("system page", layout.systemPage, layout.systemPage + page),
      ("page tables", layout.pageTables, layout.pageTables + UInt64(layout.pageTableCount) * page),
      ("heap", layout.heap, layout.heap + layout.heapSize),
    ]
    for (part, next) in zip(parts, parts.dropFirst()) {
      #expect(part.start <= part.end, "\(part)")
      #expect(part.end <= next.start, "\(part) and \(next) overlap")
    }
    // Page 0 is nobody's, and everything has an address that the processor has.
    #expect(layout.deviceRegisters >= page)
    #expect(layout.deviceSlot.count == demands.deviceCount * Int(page))
    #expect(layout.memoryEnd <= 1 << MachineLayout.physicalAddressBits)
    #expect(layout.controlPage + UInt64(NEEDLETAIL_CONTROL_PAGE_DISTANCE) == layout.imageBase)
    #expect(layout.imageBias == layout.imageBase &- demands.linkBase)

    // The parts are what was asked for, in one piece.
    #expect(layout.memorySize + demands.imageWritableSize == demands.memorySize)
    #expect(layout.machineMemory == demands.memorySize)
    #expect(layout.stackBase == layout.memoryBase)
    #expect(layout.sharedPage == layout.memoryBase + layout.stackRegionSize)
    #expect(layout.heap + layout.heapSize == layout.memoryBase + layout.memorySize)
    #expect(layout.heapSize >= 64 << 10)
    #expect(layout.stackTop - layout.stackBase >= demands.stackSize)
    #expect(layout.threadControlBlock - layout.threadLocals >= demands.threadLocalsSize)
    // FS:0x28 is the last word of the block that anybody uses.
    #expect(layout.sharedPage - layout.threadControlBlock >= 0x30)
    #expect(layout.bootInfoSize >= demands.bootInfoSize)

    for address in [
      layout.imageBase, layout.memoryBase, layout.memoryEnd, layout.sharedPage, layout.bootInfo, layout.systemPage,
      layout.pageTables, layout.heap,
    ] { #expect(address % page == 0) }
    #expect(layout.stackTop % 16 == 0)
    // x86-64 TLS variant II: the block lies below the thread pointer, and both are as aligned as the storage wants.
    #expect(layout.threadControlBlock % max(demands.threadLocalsAlignment, 8) == 0)
    #expect(layout.threadLocals % demands.threadLocalsAlignment == 0)
  }

  @Test(arguments: [2 << 20, 2 << 20 | 4096, 4 << 20, 64 << 20, 1 << 30, 1 << 30 | 12288, 3 << 30] as [UInt64])
  func fixedPlaces(memory: UInt64) throws {
    let demands = MachineLayout.Demands(memory: memory)
    let layout = try MachineLayout(demands)
    check(layout, demands)
    #expect(layout.imageBase == demands.linkBase)
    #expect(layout.imageBias == 0)
    let again = try MachineLayout(demands)
    #expect(again == layout)
  }

  /// x86-64 TLS variant II as linkers have it: a variable's distance from the thread pointer follows from the block's size
  /// rounded up to the block's own alignment, and to nothing more.
  @Test(arguments: [1, 8, 16, 64, 128, 4096] as [UInt64], [1, 0x14, 0x20, 0x64, 0x1001] as [UInt64])
  func threadLocalsEndAtTheThreadPointer(alignment: UInt64, size: UInt64) throws {
    let layout = try MachineLayout(
      MachineLayout.Demands(threadLocalsSize: size, threadLocalsAlignment: alignment, memory: 4 << 20))
    let rounded = (size + alignment - 1) / alignment * alignment
    #expect(layout.threadControlBlock - layout.threadLocals == rounded)
    #expect(layout.threadControlBlock % max(alignment, 64) == 0)
    #expect(layout.threadControlBlock + 64 <= layout.sharedPage)
    #expect(layout.stackTop <= layout.threadLocals)
  }

  @Test func tenThousandRandomPlaces() throws {
    var generator = SeededGenerator(seed: 0x6c61_796f_7574)
    for _ in 0..<10_000 {
      let imagePages = UInt64.random(in: 3...ImageLimits.span / Self.page, using: &generator)
      let demands = MachineLayout.Demands.random(
        imageSize: Self.page * imagePages, imageWritableSize: Self.page * .random(in: 0...64, using: &generator),
        memory: 8 << 20...Self.largest, using: &generator)
      check(try MachineLayout(demands), demands)
    }
  }

  @Test(arguments: [0, 1, .max / 2, .max - 1, .max] as [UInt64], [0, 1, .max / 2, .max - 1, .max] as [UInt64])
  func extremesOfEntropy(image: UInt64, memory: UInt64) throws {
    for (imageSize, memorySize) in [(0x7000, Self.smallest), (ImageLimits.span, Self.largest)] {
      let demands = MachineLayout.Demands(
        imageSize: imageSize, memory: max(memorySize, 8 << 20), placement: .init(image: image, memory: memory))
      let layout = try MachineLayout(demands)
      check(layout, demands)
      // Clear of the local APIC and of everything else that tradition keeps below 4 GiB.
      #expect(layout.controlPage >= 4 << 30)
    }
  }

  @Test func entropyMovesImageAndMemory() throws {
    var bases: Set<UInt64> = [], memories: Set<UInt64> = []
    for number in 0..<1000 as Range<UInt64> {
      let layout = try MachineLayout(.init(memory: 64 << 20, placement: .init(image: number, memory: number)))
      bases.insert(layout.imageBase)
      memories.insert(layout.memoryBase)
    }
    #expect(bases.count == 1000)
    #expect(memories.count == 1000)
  }

  /// Images that cannot be moved stay; their memory moves all the same.
  @Test func fixedImageStays() throws {
    let demands = MachineLayout.Demands(
      linkBase: 0x10000, isPositionIndependent: false, memory: 64 << 20, placement: .init(image: 77, memory: 78))
    let layout = try MachineLayout(demands)
    check(layout, demands)
    #expect(layout.imageBase == 0x10000)
    let unmoved = try MachineLayout(.init(memory: 64 << 20))
    #expect(layout.memoryBase != unmoved.memoryBase)
  }

  /// The address of the local APIC (Intel SDM volume 3, 11.4.1): KVM keeps a page of its own there.
  private static let localAPIC: UInt64 = 0xfee0_0000

  /// Memory that would cover the local APIC: a movable image goes elsewhere, always to the same place.
  @Test(arguments: [4 << 30, (4 << 30) - 4096, 16 << 30] as [UInt64]) func memoryThatWouldCoverTheLocalAPIC(
    memory: UInt64
  ) throws {
    let demands = MachineLayout.Demands(memory: memory)
    let layout = try MachineLayout(demands)
    check(layout, demands)
    #expect(!layout.slot.contains(Self.localAPIC))
    let again = try MachineLayout(demands)
    #expect(again == layout)
  }

  /// An image that cannot be moved, wherever it is linked: its machine is clear of the local APIC, or refused.
  @Test func fixedImagesAroundTheLocalAPIC() throws {
    var refused = 0
    let apic = Self.localAPIC
    let linkBases: [UInt64] = [
      0x10000, 0x20_0000, apic - 0x8000, apic - 0x7000, apic - 0x1000, apic, apic + 0x1000, apic + 0x2000, 4 << 30,
      32 << 30,
    ]
    for linkBase in linkBases {
      for memory in [2 << 20, 64 << 20, 3 << 30, 16 << 30] as [UInt64] {
        for placement in [nil, MachineLayout.Placement(image: .max, memory: .max)] {
          let demands = MachineLayout.Demands(
            linkBase: linkBase, isPositionIndependent: false, memory: memory, placement: placement)
          do throws(MachineError) {
            let layout = try MachineLayout(demands)
            check(layout, demands)
            #expect(!layout.slot.contains(apic))
            #expect(layout.controlPage != apic)
            #expect(layout.imageBase == linkBase)
          } catch {
            guard case .fixedPlacement(memory, let limit) = error else {
              Issue.record("\(error.description)")
              continue
            }
            #expect(limit < memory)
            refused += 1
          }
        }
      }
    }
    #expect(refused > 10)
  }

  /// A movable image may be linked at 0, where there is no room for its control page and nothing must be mapped.
  @Test(arguments: [0, 0x1000, 0xf000] as [UInt64]) func imageLinkedAtTheBottom(linkBase: UInt64) throws {
    let demands = MachineLayout.Demands(linkBase: linkBase, memory: 64 << 20)
    let layout = try MachineLayout(demands)
    check(layout, demands)
    #expect(layout.controlPage >= Self.page)
    let again = try MachineLayout(demands)
    #expect(again == layout)
  }

  @Test(arguments: (0...12).map { 1 << $0 } as [UInt64], [0, 1, 63, 64, 65, 4031, 4032, 4033, 64 << 10] as [UInt64])
  func threadLocals(alignment: UInt64, size: UInt64) throws {
    for stackSize in [16 << 10, 64 << 10] as [UInt64] {
      let demands = MachineLayout.Demands(
        stackSize: stackSize, threadLocalsSize: size, threadLocalsAlignment: alignment, memory: 64 << 20)
      check(try MachineLayout(demands), demands)
    }
  }

  @Test func largestImageAndStack() throws {
    let demands = MachineLayout.Demands(
      imageSize: ImageLimits.span, stackSize: ImageLimits.stackSize, threadLocalsSize: ImageLimits.threadLocalSize,
      threadLocalsAlignment: 4096, memory: 2 << 30, placement: .init(image: .max, memory: .max))
    check(try MachineLayout(demands), demands)
  }

  // MARK: Errors

  @Test(arguments: [0, 1, 4096, smallest - 4096, smallest + 1, largest + 4096, .max, .max & ~4095] as [UInt64])
  func impossibleSizes(memory: UInt64) {
    let error = #expect(throws: MachineError.self) { try MachineLayout(.init(memory: memory)) }
    guard case .memorySize(memory) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.description == "memory size is \(memory) bytes; expected a multiple of 4K from 2M to 16G")
  }

  @Test(arguments: [
    // An image, a stack, and both, that leave nothing.
    MachineLayout.Demands(imageSize: 4 << 20, imageWritableSize: 4 << 20, memory: 2 << 20),
    MachineLayout.Demands(imageSize: 2 << 20, imageWritableSize: 2 << 20, memory: 2 << 20),
    MachineLayout.Demands(stackSize: 1 << 30, memory: 64 << 20),
    MachineLayout.Demands(
      imageSize: 1 << 30, imageWritableSize: 1 << 30, stackSize: 1 << 30, memory: 1 << 30,
      placement: .init(image: .max, memory: .max)),
    // The tables of so large an image take more than 2 MiB.
    MachineLayout.Demands(imageSize: 1 << 30, memory: 2 << 20),
  ])
  func tooLittleMemory(demands: MachineLayout.Demands) throws {
    let error = #expect(throws: MachineError.self) { try MachineLayout(demands) }
    guard case .memoryTooSmall(demands.memorySize, let needed) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(needed > demands.memorySize)
    // What the error asks for is enough.
    var enough = demands
    enough.memorySize = needed
    check(try MachineLayout(enough), enough)
  }

  @Test func whatErrorsAskForIsEnough() throws {
    var generator = SeededGenerator(seed: 0x656e_6f75_6768)
    var refused = 0
    for _ in 0..<10_000 {
      let pages = UInt64.random(in: 3...2048, using: &generator)
      let demands = MachineLayout.Demands.random(
        imageSize: Self.page * pages, imageWritableSize: Self.page * .random(in: 0...pages, using: &generator),
        memory: Self.smallest...6 << 20, using: &generator)
      do throws(MachineError) {
        check(try MachineLayout(demands), demands)
      } catch {
        guard case .memoryTooSmall(_, let needed) = error else {
          Issue.record("\(error.description)")
          continue
        }
        refused += 1
        var enough = demands
        enough.memorySize = needed
        check(try MachineLayout(enough), enough)
      }
    }
    #expect(refused > 100)
    #expect(refused < 9_900)
  }
}
