import CELF
import MachineABI
import Testing

@testable import Machine

/// What an image declares, as its monitor reads it.
@Suite struct ImageDeviceTests {
  @Test func inTheImagesOrder() throws {
    var builder = ImageBuilder()
    builder.declare(VIRTIO_ID_BLOCK, "data")
    builder.declare(VIRTIO_ID_CONSOLE, "console")
    builder.declare(VIRTIO_ID_BLOCK, "A.b_c-9")
    builder.declare(VIRTIO_ID_ENTROPY, "entropy")
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    #expect(
      image.devices == [
        DeclaredDevice(kind: .block, name: "data"), DeclaredDevice(kind: .console, name: "console"),
        DeclaredDevice(kind: .block, name: "A.b_c-9"), DeclaredDevice(kind: .entropy, name: "entropy"),
      ])
    #expect(image.devices.map(\.kind.virtioID) == [2, 3, 2, 4])
  }

  @Test func none() throws {
    let file = try TemporaryFile(ImageBuilder().bytes)
    let image = try Image(opening: file.path)
    #expect(image.devices.isEmpty)
  }

  @Test func asManyAsThereMayBe() throws {
    var builder = ImageBuilder()
    for number in 1...Int(NEEDLETAIL_DEVICE_LIMIT) { builder.declare(VIRTIO_ID_BLOCK, "disk\(number)") }
    builder.moveNotesToTail()
    let file = try TemporaryFile(builder.bytes)
    let image = try Image(opening: file.path)
    #expect(image.devices.map(\.name) == (1...64).map { "disk\($0)" })
  }

  @Test func inspected() throws {
    var builder = ImageBuilder()
    builder.declare(VIRTIO_ID_CONSOLE, "console")
    builder.declare(VIRTIO_ID_BLOCK, "data")
    let file = try TemporaryFile(builder.bytes)
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(isAcceptable)
    #expect(
      report.contains(
        """
        note          contract version \(NEEDLETAIL_CONTRACT_VERSION), flags 0x0
                      trap table at base + 0x2000
                      minimum memory 2097152 bytes
                      stack size 65536 bytes
        device        console  console
        device        block    data
        thread-locals
        """), "\(report)")
  }

  /// A report shows what a wrong note says, but nothing that could harm a terminal.
  @Test func inspectedThoughWrong() throws {
    var builder = ImageBuilder()
    builder.declare(9, "p9")
    builder.declare(VIRTIO_ID_BLOCK, "data") { $0.name.1 = 0x1b }
    let file = try TemporaryFile(builder.bytes)
    let (report, isAcceptable, _) = inspection(of: file.path)
    #expect(!isAcceptable)
    #expect(
      report.contains("device        kind 9   p9\ndevice        block    (its name is not readable)\n"), "\(report)")
  }

  /// Names as both sides make and read them.
  @Test func names() {
    let longest = String(repeating: "x", count: 31)
    for name in ["a", "Z", "0", ".", "_", "-", "data", "log-2.x_Y", longest] {
      #expect(DeviceDeclaration(kind: 2, name: Array(name.utf8))?.nameText == name)
    }
    for name in ["", " ", "a b", "a/b", "a=b", "a,b", "ä", "a\0", "@", "[", "`", "{", ":", longest + "x"] {
      #expect(DeviceDeclaration(kind: 2, name: Array(name.utf8)) == nil, "\(name)")
    }
  }
}

extension ImageAcceptanceTests {
  static let devices: [ImageCase] = [
    ImageCase("a device") { $0.declare(VIRTIO_ID_BLOCK, "data") },
    ImageCase("a block device with another kind's usual name") { $0.declare(VIRTIO_ID_BLOCK, "console") },
    ImageCase("a console with a name of its own") { $0.declare(VIRTIO_ID_CONSOLE, "tty") },
    ImageCase("names that differ in case") {
      $0.declare(VIRTIO_ID_BLOCK, "data")
      $0.declare(VIRTIO_ID_BLOCK, "Data")
    },
    ImageCase("devices in an image that cannot be moved") {
      $0.header.e_type = UInt16(ET_EXEC)
      $0.declare(VIRTIO_ID_BLOCK, "data")
    },
    ImageCase("as low as the register pages allow") {
      $0.header.e_type = UInt16(ET_EXEC)
      $0.declare(VIRTIO_ID_BLOCK, "a")
      $0.declare(VIRTIO_ID_BLOCK, "b")
      $0.link(at: 0x12000)
    },
  ]
}

extension ImageRefusalTests {
  static let devices: [ImageCase] = [
    ImageCase("a short declaration", message: ["device note n_descsz", "36", "40"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data")
      $0.patches = [(Place.notes + 56 + 4, [36])]
    },
    ImageCase("an empty declaration", message: ["device note n_descsz", "0", "40"]) {
      $0.otherNotes = [ImageBuilder.encodedNote(owner: "Needletail", type: 2, descriptor: [])]
    },
    ImageCase("a long declaration", message: ["device note n_descsz", "44", "40"]) {
      $0.otherNotes = [
        ImageBuilder.encodedNote(owner: "Needletail", type: 2, descriptor: [UInt8](repeating: 0, count: 44))
      ]
    },
    ImageCase("a declaration that runs over the end", message: ["PT_NOTE entry", "malformed at 0x38"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data")
      $0.patches = [(Place.notes + 56 + 4, [41])]
    },
    ImageCase("half a declaration", message: ["PT_NOTE entry", "malformed at 0x38"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data")
      $0.programHeaders[Index.note].p_filesz = 56 + 32
    },
    ImageCase("a device too many", message: ["device note count", "65", "at most 64"]) {
      for number in 0...NEEDLETAIL_DEVICE_LIMIT { $0.declare(VIRTIO_ID_BLOCK, "disk\(number)") }
      $0.moveNotesToTail()
    },
    ImageCase(
      "an unknown kind", message: ["device 'gpu' kind", "16", "1 (network), 2 (block), 3 (console) or 4 (entropy)"]
    ) {
      $0.declare(16, "gpu")
    },
    ImageCase("a kind of all ones", message: ["device 'data' kind", "4294967295"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data") { $0.kind = .max }
    },
    ImageCase("a device's flags", message: ["device 'data' flags", "0x80000000", "0"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data") { $0.flags = 0x8000_0000 }
    },
    ImageCase("no name", message: ["device note 2 name", "1 to 31"]) {
      $0.declare(VIRTIO_ID_CONSOLE, "console")
      $0.declare(VIRTIO_ID_BLOCK, "d") { $0.name.0 = 0 }
    },
    ImageCase("a slash in a name", message: ["device note 1 name", "A-Z a-z 0-9 . _ -"]) {
      $0.declare(VIRTIO_ID_BLOCK, "d") { $0.name.0 = 0x2f }
    },
    ImageCase("a line feed in a name", message: ["device note 1 name"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data") { $0.name.3 = 0x0a }
    },
    ImageCase("a name that is not ASCII", message: ["device note 1 name"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data") { $0.name.0 = CChar(bitPattern: 0xe4) }
    },
    ImageCase("a name without its terminator", message: ["device note 1 name"]) {
      $0.declare(VIRTIO_ID_BLOCK, String(repeating: "x", count: 31)) { $0.name.31 = 0x78 }
    },
    ImageCase("something behind a name", message: ["device note 1 name", "zeros"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data") { $0.name.31 = 0x78 }
    },
    ImageCase("a name twice", message: ["device name", "'data'"]) {
      $0.declare(VIRTIO_ID_BLOCK, "data")
      $0.declare(VIRTIO_ID_BLOCK, "log")
      $0.declare(VIRTIO_ID_BLOCK, "data")
    },
    ImageCase("a name for two kinds", message: ["device name", "'x'"]) {
      $0.declare(VIRTIO_ID_BLOCK, "x")
      $0.declare(VIRTIO_ID_ENTROPY, "x")
    },
    ImageCase("two consoles", message: ["kind console", "2 or more", "at most 1"]) {
      $0.declare(VIRTIO_ID_CONSOLE, "a")
      $0.declare(VIRTIO_ID_CONSOLE, "b")
    },
    ImageCase("two entropy devices", message: ["kind entropy", "2 or more", "at most 1"]) {
      $0.declare(VIRTIO_ID_ENTROPY, "a")
      $0.declare(VIRTIO_ID_ENTROPY, "b")
    },
    ImageCase("no room for a register page", message: ["lowest p_vaddr", "0x11000", "at least 0x12000", "2 devices"]) {
      $0.header.e_type = UInt16(ET_EXEC)
      $0.declare(VIRTIO_ID_BLOCK, "a")
      $0.declare(VIRTIO_ID_BLOCK, "b")
      $0.link(at: 0x11000)
    },
  ]
}
