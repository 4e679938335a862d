import CLinux

/// A guest's disk is a file: what is written is there, what cannot be done is an error, and nothing gets in each other's way.
func blockCases() -> [Case] {
  [
    Case("block-facts", "a guest sees size, access and serial of each of its disks") { session throws(Verdict) in
      let disks = try ProbeDisks()
      try session.monitor.run("device-probe", ["info"], options: disks.options(log: ",ro")).expect(status: 0)
        .expect(stderr: "")
        .expect(
          stdout: """
            data: 1048576 bytes, sector size 512, writable, can discard, serial 'data'
            log: 65536 bytes, sector size 512, read-only, cannot discard, serial 'log'

            """)
    },
    Case("block-contents", "what a guest reads is what the file holds, and what it writes the file holds afterwards") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      try disks.data.write([UInt8](repeating: 7, count: 1024), at: 512)
      try session.monitor.run(
        "device-probe",
        ["block", "data"] + "read 0 2048 write 1024 512 9 read 512 1536 write 1048064 512 8 flush".words,
        options: disks.options()
      ).expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            read 2048 at 0: 512 x 0, 1024 x 7, 512 x 0
            wrote 512 at 1024
            read 1536 at 512: 512 x 7, 512 x 9, 512 x 0
            wrote 512 at 1048064
            flushed

            """)
      var expected = [UInt8](repeating: 0, count: 1 << 20)
      for (start, byte) in [(512, 7), (1024, 9), (1_048_064, 8)] as [(Int, UInt8)] {
        for index in start..<start + 512 { expected[index] = byte }
      }
      guard try disks.data.contents() == expected else { throw .failed("expected the file to hold what was written") }
    },
    Case("block-zeroes", "zeroing makes zeros and keeps the size; discarding keeps what is around it") {
      session throws(Verdict) in
      let disks = try ProbeDisks(logStamp: 5)
      try session.monitor.run(
        "device-probe",
        ["block", "log"]
          + "zeroes 4096 8192 read 3584 9216 zeroes 512 512 read 0 1536 discard 16384 16384 flush read 15872 512 read 32768 512"
          .words, options: disks.options()
      ).expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            zeroes 8192 at 4096: done
            read 9216 at 3584: 512 x 5, 8192 x 0, 512 x 5
            zeroes 512 at 512: done
            read 1536 at 0: 512 x 5, 512 x 0, 512 x 5
            discard 16384 at 16384: done
            flushed
            read 512 at 15872: 512 x 5
            read 512 at 32768: 512 x 5

            """)
      let size = try disks.log.contents().count
      guard size == 64 << 10 else { throw .failed("expected the file to keep its 65536 bytes; got \(size)") }
    },
    Case("block-errors", "a request that makes no sense is an error that says which") { session throws(Verdict) in
      let disks = try ProbeDisks(logStamp: 3)
      try session.monitor.run(
        "device-probe",
        ["block", "log"]
          + "read 1 512 read 0 511 read 65536 512 read 65024 1024 write 65536 512 1 zeroes 65024 1024 discard 0 100"
          .words
          + "read 9223372036854775296 512 read 65536 0 write 0 0 1 read 65024 512 say alive".words,
        options: disks.options()
      ).expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            read of 512 bytes at 1 of block device 'log': offset and length must be multiples of 512
            read of 511 bytes at 0 of block device 'log': offset and length must be multiples of 512
            read of 512 bytes at 65536 of block device 'log': reaches past the end of the device
            read of 1024 bytes at 65024 of block device 'log': reaches past the end of the device
            write of 512 bytes at 65536 of block device 'log': reaches past the end of the device
            zeroing of 1024 bytes at 65024 of block device 'log': reaches past the end of the device
            discard of 100 bytes at 0 of block device 'log': offset and length must be multiples of 512
            read of 512 bytes at 9223372036854775296 of block device 'log': reaches past the end of the device
            read 0 at 65536: nothing
            wrote 0 at 0
            read 512 at 65024: 512 x 3
            alive

            """)
    },
    Case("block-read-only", "a disk attached for reading cannot be changed, and its file need not be writable") {
      session throws(Verdict) in
      let disks = try ProbeDisks(logStamp: 3)
      chmod(disks.log.path, 0o444)
      try session.monitor.run(
        "device-probe",
        ["block", "log"] + "write 0 512 1 zeroes 0 512 discard 0 512 flush read 0 512".words,
        options: disks.options(log: ",ro")
      ).expect(status: 0).expect(stderr: "")
        .expect(
          stdout: """
            write of 512 bytes at 0 of block device 'log': the device is read-only
            zeroing of 512 bytes at 0 of block device 'log': the device is read-only
            discard of 512 bytes at 0 of block device 'log': the device is read-only
            flushed
            read 512 at 0: 512 x 3

            """)
    },
    Case("block-open", "a disk that the image did not declare, or that is none, cannot be opened") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      for (name, expected) in [
        ("data", "opened 'data'"),
        ("other", "device 'other' is not attached: the image has to declare it, and the monitor to provide it"),
        ("entropy", "device 'entropy' is an entropy source, not a block device"),
      ] {
        try session.monitor.run("device-probe", ["open", name], options: disks.options()).expect(status: 0)
          .expect(stdout: expected + "\n").expect(stderr: "")
      }
    },
    verification("block-verify", "thousands of requests of many tasks, of all lengths, are carried out as asked"),
    verification("block-verify-direct", "the same past the host's page cache", flags: ",direct"),
    verification("block-verify-together", "the same where all tasks have their longest requests at once", steps: 1),
    verification(
      "block-verify-busy", "the same where the device looks for short requests itself", stepFactor: 4, longest: 4096),
    Case("block-crowd", "more tasks than the queue has room for all get their turn") { session throws(Verdict) in
      let disks = try ProbeDisks()
      try session.monitor.run("device-probe", ["crowd", "700"], options: disks.options()).expect(status: 0)
        .expect(stdout: "right 700\n").expect(stderr: "")
    },
    Case("block-cancel", "tasks that are cancelled while the device works for them keep their buffers whole") {
      session throws(Verdict) in
      let disks = try ProbeDisks()
      let rounds = session.lane == .kvm ? 64 : 16
      try session.monitor.run("device-probe", ["cancel", "40", "\(rounds)"], options: disks.options())
        .expect(status: 0).expect(stdout: "right \(40 * rounds)\ncancelled some\n").expect(stderr: "")
    },
    Case("block-sleep", "timers fire while a disk is busy") { session throws(Verdict) in
      let disks = try ProbeDisks()
      try session.monitor.run("device-probe", ["sleep-while-busy", "50"], options: disks.options()).expect(status: 0)
        .expect(stdout: "slept 50\nearly 0\ntransferred\n").expect(stderr: "")
    },
    Case("block-many-disks", "writes to one disk do not reach another") { session throws(Verdict) in
      let disks = try ProbeDisks(logStamp: 4)
      try session.monitor.run("device-probe", ["block", "data", "write", "0", "65536", "6"], options: disks.options())
        .expect(status: 0)
      let isAsBefore = try disks.log.contents().allSatisfy { $0 == 4 }
      guard isAsBefore else { throw .failed("expected the other disk as it was") }
    },
  ]
}

/// The guest checks all that it reads; what the file holds afterwards is checked here.
private func verification(
  _ name: String, _ proves: String, flags: String = "", steps: Int? = nil, stepFactor: Int = 1, longest: Int = 1 << 20
) -> Case {
  Case(name, proves) { session throws(Verdict) in
    let tasks = session.lane == .kvm ? 40 : 20
    let steps = steps ?? stepFactor * (session.lane == .kvm ? 100 : 12)
    let disks = try ProbeDisks(dataBytes: tasks << 20)
    // Each task keeps what its part of the disk must hold, and all may read theirs whole at the same time: how many
    // do is for the disk's speed to say.
    let memory = ["--memory", "\(2 * tasks + 24)M"]
    let run = try session.monitor.run(
      "device-probe", ["verify", "\(tasks)", "\(steps)", "4711", "\(longest)"],
      options: memory + disks.options(flags))
    if run.stderr.contains(bytesOf: "cannot be accessed directly") {
      throw .skipped("the file system of /tmp has no direct access")
    }
    try run.expect(status: 0).expect(stderr: "")
    try run.expect(try run.number("wrong") == 0, "nothing wrong", got: try run.value("wrong"))
    // The last look at everything is one request more for each.
    let expected = UInt64(tasks * (steps + 1))
    try run.expect(try run.number("steps") == expected, "\(expected) steps", got: try run.value("steps"))
    let checksum = try disks.data.checksum()
    try run.expect(
      try run.number("checksum") == checksum, "the file's checksum \(checksum.hexadecimal)",
      got: try run.value("checksum"))
  }
}
