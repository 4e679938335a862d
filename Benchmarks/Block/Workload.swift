import BenchmarkSupport

/// One way to keep a disk busy, as both sides do it.
struct Workload {
  enum Pattern {
    case randomRead
    case sequentialRead
    case sequentialWrite
    case flushedWrite
  }

  let pattern: Pattern
  /// In bytes.
  let blockSize: Int
  /// Requests in flight.
  let depth: Int
  /// Whether the page cache is passed by (O_DIRECT); otherwise everything read is in it.
  let isDirect: Bool
  /// Of one run: some tenths of a second.
  let requests: Int

  var name: String {
    let size = "\(blockSize / 1024) KiB"
    return switch pattern {
    case .randomRead: "\(size) random read, depth \(depth)"
    case .sequentialRead: "\(size) sequential read, depth \(depth)"
    case .sequentialWrite: "\(size) sequential write, depth \(depth)"
    case .flushedWrite: "\(size) write + flush, depth \(depth)"
    }
  }

  var cacheName: String { isDirect ? "direct" : "cached" }

  static let all: [Workload] = [
    Workload(pattern: .randomRead, blockSize: 4096, depth: 1, isDirect: false, requests: 15_000),
    Workload(pattern: .randomRead, blockSize: 4096, depth: 32, isDirect: false, requests: 80_000),
    Workload(pattern: .sequentialRead, blockSize: 1 << 17, depth: 32, isDirect: false, requests: 6000),
    Workload(pattern: .sequentialWrite, blockSize: 1 << 17, depth: 32, isDirect: false, requests: 2000),
    Workload(pattern: .flushedWrite, blockSize: 4096, depth: 1, isDirect: false, requests: 200),
    Workload(pattern: .randomRead, blockSize: 4096, depth: 1, isDirect: true, requests: 4000),
    Workload(pattern: .randomRead, blockSize: 4096, depth: 32, isDirect: true, requests: 16_000),
    Workload(pattern: .sequentialRead, blockSize: 1 << 17, depth: 32, isDirect: true, requests: 3000),
    Workload(pattern: .sequentialWrite, blockSize: 1 << 17, depth: 32, isDirect: true, requests: 2000),
    Workload(pattern: .flushedWrite, blockSize: 4096, depth: 1, isDirect: true, requests: 400),
  ]

  // MARK: The programs

  /// `needletail run` with the image that does this.
  func guest(_ options: Options, requests: Int, seed: Int) -> [String] {
    let pattern =
      switch pattern {
      case .randomRead: "random-read"
      case .sequentialRead: "sequential-read"
      case .sequentialWrite: "sequential-write"
      case .flushedWrite: "flushed-write"
      }
    return [
      "\(options.products)/needletail", "run", "--report", "-", "--block",
      "data=\(options.file)\(isDirect ? ",direct" : "")", "\(options.products)/block-load.elf", pattern, "\(blockSize)",
      "\(depth)", "\(requests)", "\(seed)",
    ]
  }

  /// The fio that does this fastest, of those that were tried.
  func fio(_ options: Options, fileBytes: Int, requests: Int, seed: Int) -> [String] {
    var arguments = [
      options.fio, "--name=load", "--filename=\(options.file)", "--size=\(fileBytes)", "--bs=\(blockSize)",
      "--io_size=\(requests * blockSize)", "--direct=\(isDirect ? 1 : 0)", "--randseed=\(seed)", "--thread",
      // As the guest: what is cached stays, no map of the blocks that were read, nothing allocated.
      "--invalidate=0", "--norandommap", "--fallocate=none", "--disk_util=0", "--output-format=json",
      "--lat_percentiles=1", "--clat_percentiles=0", "--percentile_list=50:99",
    ]
    switch pattern {
    case .randomRead: arguments.append("--rw=randread")
    case .sequentialRead: arguments.append("--rw=read")
    case .sequentialWrite: arguments.append("--rw=write")
    case .flushedWrite: arguments += ["--rw=randwrite", "--fdatasync=1"]
    }
    return arguments + engine
  }

  /// At depth 1 nothing is faster than the system calls themselves. What is deep goes through io_uring in batches, with file and
  /// buffers registered; batches of half the depth, so that the disk does not run dry between them.
  private var engine: [String] {
    guard depth > 1 else { return ["--ioengine=psync"] }
    var engine = ["--ioengine=io_uring", "--iodepth=\(depth)", "--fixedbufs", "--registerfiles"]
    let batch = isDirect ? depth / 2 : depth
    engine += ["--iodepth_batch_submit=\(batch)", "--iodepth_batch_complete_max=\(batch)"]
    return engine
  }
}
