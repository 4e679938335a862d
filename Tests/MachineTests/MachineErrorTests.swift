import CLinux
import KVM
import Testing
import Virtio

@testable import Machine

/// What a failure says: one line that names the value and what was expected.
@Suite struct MachineErrorTests {
  private static let cases: [(MachineError, String)] = [
    (
      .memorySize(4097),
      "memory size is 4097 bytes; expected a multiple of 4K from 2M to 16G"
    ),
    (
      .memoryTooSmall(asked: 2 << 20, needed: (3 << 20) + 1),
      "memory size is 2048K; expected at least 3073K for this image"
    ),
    (
      .memoryTooSmall(asked: 2 << 20, needed: 3 << 20),
      "memory size is 2048K; expected at least 3072K for this image"
    ),
    (
      // An image's note may say so.
      .memoryTooSmall(asked: 64 << 20, needed: .max),
      "memory size is 65536K; expected at least 18014398509481984K for this image"
    ),
    (.argumentsTooLong(70_000), "the arguments take 70000 bytes; expected at most 65536"),
    (
      .linux(.deviceCount(9)), "there are 9 block devices and networks; expected at most 8 for a Linux kernel"
    ),
    (
      .linux(.initrd(path: "i.gz", reason: "No such file or directory")), "initrd i.gz: No such file or directory"
    ),
    (
      .linux(.deviceName(DeclaredDevice(kind: .block, name: "a b"), reason: "a name of letters")),
      "block device 'a b': expected a name of letters"
    ),
    (
      .device(.missing(.network, "net")),
      "the image declares the network 'net', which is not attached; expected --net net=BACKEND"
    ),
    (
      .device(.undeclared(.network, "lan", declared: [DeclaredDevice(kind: .block, name: "data")])),
      "network 'lan' is attached, but the image does not declare it; it declares no networks"
    ),
    (
      .device(.network("net", .interfaceInUse("tap0"))),
      "network 'net': interface tap0: in use; expected a TAP interface that nobody has open"
    ),
    (.linux(.kernelTruncated(path: "vmlinux")), "vmlinux: became shorter while it was read"),
    (.system(SystemCallError("KVM_RUN", code: EFAULT)), "KVM_RUN: Bad address"),
    (
      .image(ImageError(kind: .notFound, path: "a.elf", reason: "No such file or directory")),
      "a.elf: No such file or directory"
    ),
  ]

  @Test(arguments: cases) func descriptions(error: MachineError, text: String) {
    #expect(error.description == text)
  }
}
