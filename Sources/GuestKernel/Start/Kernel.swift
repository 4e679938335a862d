#if hasFeature(Embedded)
  import MachineABI
#else
  import CGuestKernel
  import Glibc
#endif

/// The machine as its application sees it: arguments, memory, and the way out.
public enum Kernel {
  /// The arguments, the image's own name first.
  public static var arguments: [String] {
    #if hasFeature(Embedded)
      var arguments: [String] = []
      arguments.reserveCapacity(Int(bootInfo.pointee.argument_count))
      // The monitor wrote these bytes, terminators included, and the guest cannot change them.
      var next = UnsafePointer<UInt8>(bitPattern: UInt(bootInfo.pointee.arguments))!
      for _ in 0..<bootInfo.pointee.argument_count {
        var length = 0
        while next[length] != 0 { length += 1 }
        arguments.append(String(decoding: UnsafeBufferPointer(start: next, count: length), as: UTF8.self))
        next += length + 1
      }
      return arguments
    #else
      return CommandLine.arguments
    #endif
  }

  /// Ends the machine with this exit status; what was printed is written out first.
  ///
  /// - Parameter code: the status; its low eight bits become the monitor's own.
  public static func exit(_ code: Int32) -> Never {
    #if hasFeature(Embedded)
      exitMachine(code: code)
    #else
      Glibc.exit(code)
    #endif
  }

  /// What the machine's memory is used for at this moment.
  public static var memory: MemoryStatistics {
    #if hasFeature(Embedded)
      let statistics = heapStatistics()
      return MemoryStatistics(
        machineBytes: Int(bootInfo.pointee.memory_size), heapBytes: statistics.regionSize,
        bytesInUse: statistics.bytesInUse, peakBytesInUse: statistics.peakBytesInUse)
    #else
      let statistics = mallinfo2()
      return MemoryStatistics(
        machineBytes: sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)), heapBytes: Int(statistics.arena),
        bytesInUse: Int(statistics.uordblks), peakBytesInUse: Int(statistics.usmblks))
    #endif
  }
}

/// How much memory a machine has and how much of it is allocated.
public struct MemoryStatistics: Sendable {
  /// All the writable memory that the machine was given, in bytes.
  public let machineBytes: Int
  /// What of it the heap may use, in bytes.
  public let heapBytes: Int
  /// Allocated at this moment, in bytes.
  public let bytesInUse: Int
  /// The most that was ever allocated at once, in bytes; 0 where that is not known (the hosted build).
  public let peakBytesInUse: Int
}
