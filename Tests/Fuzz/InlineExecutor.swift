/// Runs tasks on the thread that asks for it, when it asks: the tasks of an input do the same things in the same order.
final class InlineExecutor: TaskExecutor, @unchecked Sendable {
  static let shared = InlineExecutor()

  // Only one thread ever comes here.
  private var jobs: [UnownedJob] = []

  func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }

  /// Runs everything that can run.
  func run() {
    while !jobs.isEmpty {
      let batch = jobs
      jobs = []
      for job in batch { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
  }

  /// Runs `body`, which waits for nothing but other tasks here, to its end.
  func run(_ body: @escaping @Sendable () async -> Void) {
    let flag = Flag()
    Task(executorPreference: self) {
      await body()
      flag.isSet = true
    }
    run()
    require(flag.isSet, "a task that waits for ever")
  }

  private final class Flag: @unchecked Sendable { var isSet = false }
}
