import GuestKernel
import ProbeSupport

let consoleProbes: [Probe] = [
  Probe("echo") { _ in
    print("ready")
    var lines = 0
    for await line in Console.lines {
      print(line.utf8.count <= 100 ? "<\(line)>" : "line of \(line.utf8.count) bytes")
      lines += 1
    }
    print("end after \(lines)")
    // That of a terminal comes again with the next ^D, any other stays.
    print(await Console.readLine() == nil ? "and it stays the end" : "and then a line")
  },
  Probe("repeat") { _ in
    for await line in Console.lines { print(line) }
  },
  Probe("bytes") { _ in
    var bytes = [UInt8](repeating: 0, count: 1000)
    var all: [UInt8] = []
    while true {
      let count = await read(into: &bytes)
      guard count > 0 else { break }
      all += bytes[..<count]
    }
    print("bytes \(all.count)")
    all += [UInt8](repeating: 0, count: 8 - all.count % 8)
    var hash = WordHash()
    hash.add(all)
    print("checksum \(hash.value.hexadecimal)")
  },
  // A task that gives up waiting takes no input with it.
  Probe("cancelled-read") { _ in
    let reader = Task { await Console.readLine() }
    try? await Task.sleep(for: .milliseconds(1))
    reader.cancel()
    print(await reader.value == nil ? "gave up" : "got a line")
    print("<\(await Console.readLine() ?? "nothing")>")
  },
  // Timers and disks go on while a task waits for input.
  Probe("read-while-busy") { _ in
    let disk = open("data")
    let busy = Task {
      var rounds = 0
      while !Task.isCancelled {
        var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: rounds), count: 4096)
        await must { () async throws(BlockError) in
          try await disk.write(at: 0, bytes)
          try await disk.read(at: 0, into: &bytes)
        }
        try? await Task.sleep(for: .microseconds(100))
        rounds += 1
        if rounds == 10 { print("ready") }
      }
    }
    print("<\(await Console.readLine() ?? "nothing")>")
    busy.cancel()
    await busy.value
  },
  Probe("read-and-panic") { _ in
    print("ready")
    _ = await Console.readLine()
    fatalError("after a line")
  },
  Probe("two-readers") { _ in
    async let first = Console.readLine()
    async let second = Console.readLine()
    let lines = await [first, second].map { $0 ?? "nothing" }.sorted()
    print(lines.joined(separator: " "))
  },
  Probe("forever") { _ in
    print("ready")
    try? await Task.sleep(for: .seconds(3600))
  },
  Probe("exit-unread") { _ in
    _ = await Console.readLine()
    Kernel.exit(5)
  },
]

private func read(into bytes: inout [UInt8]) async -> Int {
  var elements = bytes.mutableSpan
  var span = elements.mutableBytes
  return await Console.read(into: &span)
}
