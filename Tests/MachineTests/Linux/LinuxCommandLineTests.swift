import Testing

@testable import Machine

@Suite struct LinuxCommandLineTests {
  private static let device0 = " virtio_mmio.device=4K@0xd0000000:5"
  private static let device1 = " virtio_mmio.device=4K@0xd0001000:9"

  @Test(arguments: [
    ("", ""),
    ("console=ttyS0", "console=ttyS0"),
    // ACPI tells of devices, unless there is none.
    ("acpi=off", "acpi=off\(device0)\(device1)"),
    ("a acpi=off b", "a acpi=off b\(device0)\(device1)"),
    ("acpi=offline", "acpi=offline"),
    ("\"x acpi=off\"", "\"x acpi=off\""),
    // What is behind "--" is not the kernel's.
    ("a -- acpi=off", "a -- acpi=off"),
    ("acpi=off -- b", "acpi=off\(device0)\(device1) -- b"),
    ("x=\"a -- b\" acpi=off", "x=\"a -- b\" acpi=off\(device0)\(device1)"),
    ("  acpi=off  ", "  acpi=off\(device0)\(device1)  "),
  ])
  func words(given: String, text: String) throws {
    #expect(try LinuxCommandLine(given, deviceCount: 2).text == text)
  }

  @Test func length() throws {
    let longest = String(repeating: "x", count: LinuxCommandLine.limit)
    #expect(try LinuxCommandLine(longest, deviceCount: 1).text == longest)
    #expect {
      try LinuxCommandLine(longest + "x", deviceCount: 1)
    } throws: {
      ($0 as? LinuxError)?.description
        == "the kernel's command line has 2048 bytes, 0 of which tell it of devices; expected at most 2047"
    }
    let full = "acpi=off " + String(repeating: "x", count: LinuxCommandLine.limit - 9)
    #expect {
      try LinuxCommandLine(full, deviceCount: 1)
    } throws: {
      ($0 as? LinuxError)?.description
        == "the kernel's command line has \(2047 + Self.device0.utf8.count) bytes, \(Self.device0.utf8.count) of which"
        + " tell it of devices; expected at most 2047"
    }
  }
}
