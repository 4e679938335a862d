#if hasFeature(Embedded)
  import MachineABI

  /// The machine's one heap.
  ///
  /// Invariant: set before the first allocation. The guest has one processor and interrupts run no Swift code, so nothing
  /// else is ever inside it.
  nonisolated(unsafe) var heap: Heap? = nil

  // What CGuestKernel's malloc and its family call. Running out of memory ends the machine with words: none of the code
  // that Swift and its runtime emit checks for a null pointer.

  func heapStatistics() -> HeapStatistics {
    // Through a mutating method, because an optional that holds a noncopyable value cannot be borrowed from a global.
    heap!.takeStatistics()
  }

  extension Heap {
    fileprivate mutating func takeStatistics() -> HeapStatistics { statistics }
    fileprivate mutating func takeUsableSize(of pointer: UnsafeMutableRawPointer) throws(HeapMisuse) -> Int {
      try usableSize(of: pointer)
    }
  }

  @c(needletail_allocate)
  func allocate(_ size: Int, _ alignment: Int) -> UnsafeMutableRawPointer {
    guard let pointer = heap!.allocate(size: size, alignment: alignment) else { outOfMemory(size) }
    return pointer
  }

  @c(needletail_deallocate)
  func deallocate(_ pointer: UnsafeMutableRawPointer) {
    do throws(HeapMisuse) {
      try heap!.deallocate(pointer)
    } catch {
      stop(error)
    }
  }

  @c(needletail_usable_size)
  func usableSize(_ pointer: UnsafeMutableRawPointer) -> Int {
    do throws(HeapMisuse) {
      return try heap!.takeUsableSize(of: pointer)
    } catch {
      stop(error)
    }
  }

  @c(needletail_reallocate)
  func reallocate(_ pointer: UnsafeMutableRawPointer, _ size: Int) -> UnsafeMutableRawPointer {
    do throws(HeapMisuse) {
      guard let moved = try heap!.reallocate(pointer, size: size) else { outOfMemory(size) }
      return moved
    } catch {
      stop(error)
    }
  }

  @inline(never)
  private func stop(_ misuse: HeapMisuse) -> Never {
    LastWords.clear()
    switch misuse.kind {
    case .doubleFree: LastWords.append("double free of ")
    case .notAllocated: LastWords.append("free of a pointer that was never allocated: ")
    case .overrun(let offset):
      LastWords.append("heap buffer overrun, found at offset ")
      LastWords.append(offset)
      LastWords.append(" of the block at ")
    }
    LastWords.append(hexadecimal: misuse.address)
    trap()
  }

  @inline(never)
  private func outOfMemory(_ size: Int) -> Never {
    // Nothing here may allocate.
    let statistics = heapStatistics()
    LastWords.clear()
    LastWords.append("out of memory: ")
    LastWords.append(size)
    LastWords.append(" bytes asked, ")
    LastWords.append(statistics.bytesInUse)
    LastWords.append(" of ")
    LastWords.append(statistics.regionSize)
    LastWords.append(" in use, largest free block ")
    LastWords.append(statistics.largestFreeRun)
    LastWords.append(" bytes")
    trap()
  }
#endif
