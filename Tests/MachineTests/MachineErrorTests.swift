import CLinux
import KVM
import Testing

@testable import Machine

/// What a failure says: one line that names the value and what was expected.
@Suite struct MachineErrorTests {
  @Test(arguments: [
    (
      MachineError.memorySize(4097),
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
    (.linux(.diskCount(9)), "there are 9 block devices; expected at most 8 for a Linux kernel"),
    (
      .linux(.initrd(path: "i.gz", reason: "No such file or directory")), "initrd i.gz: No such file or directory"
    ),
    (
      .linux(.diskName("a b", reason: "a name of letters")), "block device 'a b': expected a name of letters"
    ),
    (.linux(.kernelTruncated(path: "vmlinux")), "vmlinux: became shorter while it was read"),
    (.system(SystemCallError("KVM_RUN", code: EFAULT)), "KVM_RUN: Bad address"),
    (
      .image(ImageError(kind: .notFound, path: "a.elf", reason: "No such file or directory")),
      "a.elf: No such file or directory"
    ),
  ])
  func descriptions(error: MachineError, text: String) {
    #expect(error.description == text)
  }
}
