import CLinux

/// The networks that an image declares are those that it is given, and what one cannot lead to is refused.
func networkAttachmentCases() -> [Case] {
  [
    Case("network-absent", "an image that declares no network has nothing of the stack in it", needsKVM: false) {
      session throws(Verdict) in
      for (image, isThere) in [("hello", false), ("kv", false), ("http", true)] {
        let path = session.monitor.image(image)
        let symbols = try contents(of: path)
        // The modules as they are in the names of symbols: each behind its length.
        for module in ["7Network", "7Sockets"] where symbols.contains(Array(module.utf8)) != isThere {
          throw .failed("\(path): expected \(isThere ? "some" : "no") symbol with '\(module)'; got the contrary")
        }
      }
    },
    Case("network-undeclared", "a network that the image does not declare is refused") { session throws(Verdict) in
      try session.monitor.run("hello", options: ["--net", "net=tap:no-such"])
        .expectRefusal(
          status: 125, naming: "network 'net' is attached, but the image does not declare it; it declares no networks")
    },
    Case("network-missing", "a network that is declared and not attached is named") { session throws(Verdict) in
      try session.monitor.run("net-probe")
        .expectRefusal(
          status: 125,
          naming: "the image declares the network 'net', which is not attached; expected --net net=BACKEND")
    },
    Case("network-option", "an option about networks that makes no sense is refused") { session throws(Verdict) in
      let image = session.monitor.image("net-probe")
      for (options, naming) in [
        (["--net", "net"], "--net is 'net'; expected "), (["--net", "net=user"], "expected tap:INTERFACE, fd:NUMBER"),
        (["--net", "net=fd:3,mac=1"], "expected an interface's own address"),
        (["--net", "net=fd:3,mtu=10"], "expected mtu= from 68 to 65535"),
        (["--net", "net=fd:3", "-p", "80:80"], "--publish is '80:80'; expected one --net NAME=passt"),
        (["--net", "net=passt", "-p", "80"], "--publish is '80'; expected "),
        (["--pcap", "file"], "--pcap is 'file'; expected "),
      ] {
        try session.monitor.command(["run"] + options + [image]).expectRefusal(status: 125, naming: naming)
      }
    },
    Case("network-bad-backend", "what a network cannot lead to is refused, and named") { session throws(Verdict) in
      for (backend, naming) in [
        ("tap:a-name-that-is-too-long", "interface 'a-name-that-is-too-long': expected 1 to 15 bytes"),
        ("unix:/no/such/socket", "/no/such/socket: No such file or directory"),
        ("unix:/dev/null", "/dev/null: Connection refused"),
        ("fd:2", "descriptor 2: expected one that is not standard"),
        ("fd:999", "descriptor 999: is not open"),
      ] {
        try session.monitor.run("net-probe", options: ["--net", "net=\(backend)"])
          .expectRefusal(status: 125, naming: "network 'net': ").expectErrors(containing: naming)
      }
      try session.monitor.run("net-probe", options: ["--net", "net=unix:/x", "--pcap", "/no/such/file"])
        .expectRefusal(status: 125, naming: "network 'net': capture: open /no/such/file: No such file or directory")
    },
    Case("network-bad-interface", "an interface that is no TAP is refused, and named") { session throws(Verdict) in
      try session.monitor.run("net-probe", options: ["--net", "net=tap:lo"])
        .expectRefusal(status: 125, naming: "network 'net': ").expectErrors(containing: "interface lo: ")
    },
  ]
}
