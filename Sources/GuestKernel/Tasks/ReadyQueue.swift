#if hasFeature(Embedded)
  import CGuestKernel

  /// The jobs that can run now, first in, first out.
  ///
  /// The links are in the jobs themselves, in the word that the concurrency runtime sets aside for its executor
  /// (`SwiftJob.schedulerPrivate` of the toolchain's swift/ExecutorImpl.h), so that queueing allocates nothing.
  ///
  /// Invariant: a job is in the queue at most once, and alive while it is; the runtime promises both.
  struct ReadyQueue {
    private var first: UnsafeMutableRawPointer?
    private var last: UnsafeMutableRawPointer?

    /// Behind the object header of two words.
    private static let linkOffset = 16

    var isEmpty: Bool { first == nil }

    /// Looks at all of them.
    var count: Int {
      var (count, next) = (0, first)
      while let job = next {
        count += 1
        next = Self.link(of: job)
      }
      return count
    }

    mutating func append(_ job: UnownedJob) {
      let job = unsafeBitCast(job, to: UnsafeMutableRawPointer.self)
      Self.setLink(of: job, to: nil)
      if let last { Self.setLink(of: last, to: job) } else { first = job }
      last = job
    }

    mutating func removeFirst() -> UnownedJob? {
      guard let job = first else { return nil }
      first = Self.link(of: job)
      if first == nil { last = nil }
      return unsafeBitCast(job, to: UnownedJob.self)
    }

    private static func link(of job: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
      job.load(fromByteOffset: linkOffset, as: UnsafeMutableRawPointer?.self)
    }

    private static func setLink(of job: UnsafeMutableRawPointer, to next: UnsafeMutableRawPointer?) {
      job.storeBytes(of: next, toByteOffset: linkOffset, as: UnsafeMutableRawPointer?.self)
    }
  }
#endif
