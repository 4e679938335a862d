import GuestKernel

#devices(.block("data"))

/// `block-load`: keeps a disk busy in one way and says in one line how long that took. What fio is for a Linux process.
@main
struct BlockLoad {
  static func main() async {
    guard let load = Load(arguments: Kernel.arguments) else {
      print(
        "usage: block-load random-read|sequential-read|sequential-write|flushed-write BLOCKSIZE DEPTH REQUESTS SEED")
      Kernel.exit(2)
    }
    do throws(DeviceError) {
      await run(load, on: try BlockDevice("data"))
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
  }

  private static func run(_ load: Load, on disk: BlockDevice) async {
    let blocks = disk.byteCount / UInt64(load.blockSize)
    guard blocks > 0 else {
      print("the disk has \(disk.byteCount) bytes; expected a block of \(load.blockSize)")
      Kernel.exit(1)
    }
    let latencies = Latencies(count: load.requests)
    let workers = (0..<load.depth).map { Worker(load, number: $0, blocks: blocks, latencies) }
    let start = ContinuousClock.Instant.now
    await withTaskGroup(of: Void.self) { group in
      for worker in workers { group.addTask { await worker.run(on: disk) } }
    }
    let duration = nanoseconds(ContinuousClock.Instant.now - start)
    latencies.sort()
    print(
      "requests \(load.requests) bytes \(load.requests * load.blockSize) nanoseconds \(duration)",
      "p50 \(latencies.percentile(50)) p99 \(latencies.percentile(99))")
  }
}

/// A duration of less than nine seconds times 10^9, which every run is.
func nanoseconds(_ duration: Duration) -> UInt64 {
  let (seconds, attoseconds) = duration.components
  return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
}
