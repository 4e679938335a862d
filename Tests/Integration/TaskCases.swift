/// Tasks, groups, actors: Swift's concurrency on the guest kernel's executor.
func taskCases() -> [Case] {
  [
    task(
      "task-switches", "a million switches between two tasks, all counted", ["task-switches", "1000000"],
      "switched 1000000\n"),
    task(
      "task-group", "a group of ten thousand children returns every result once", ["task-group", "10000"],
      "sum 49995000\n"),
    task(
      "task-statistics", "the executor tells how many tasks are ready and how many sleep", ["task-statistics"],
      "ready 7 sleeping 5\nready 0 sleeping 0\n"),
    task("task-nested-groups", "groups within groups return", ["nested-groups"], "leaves 4096\n"),
    task("task-actors", "an actor that a thousand tasks call loses no call", ["actors"], "count 100000\n"),
    task(
      "task-actor-reentrancy", "an actor that sleeps lets others in", ["actor-reentrancy"], "entered while suspended\n"),
    task("task-async-let", "async let runs side by side and is awaited", ["async-let"], "sum 6\n"),
    task(
      "task-cancellation", "cancelling a tree of tasks reaches every sleeper in it", ["cancellation"],
      "cancelled 100 of 100\n"),
    task(
      "task-cancelled-before-sleep", "a task that is cancelled already does not sleep", ["cancelled-sleep"],
      "did not sleep\n"),
    task(
      "task-stream", "a stream delivers what is put into it, in order, and ends", ["stream"], "received 1000 in order\n"
    ),
    task(
      "task-continuations", "a checked continuation resumes its task with its value", ["continuations"],
      "resumed with 42\n"),
    task("task-priorities", "tasks of every priority run", ["priorities"], "all ran\n"),
    task("task-sleepers", "ten thousand sleeping tasks all wake", ["many-sleepers", "10000"], "woke 10000\n"),
    task("task-deep-recursion", "recursion that fits into the stack is fine", ["deep-recursion"], "came back\n"),
    Case("task-many-awaits", "a chain of ten thousand nested awaits needs heap, not stack") { session throws(Verdict) in
      try session.monitor.run("probe", ["deep-awaits", "10000"]).expect(status: 0).expect(stdout: "depth 10000\n")
    },
  ]
}

private func task(_ name: String, _ proves: String, _ arguments: [String], _ output: String) -> Case {
  Case(name, proves) { session throws(Verdict) in
    try session.monitor.run("probe", arguments).expect(status: 0).expect(stdout: output).expect(stderr: "")
  }
}
