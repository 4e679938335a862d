import BenchmarkSupport
import CLinux

/// The programs that are measured, in the order in which a round runs them.
struct Subjects {
  private(set) var programs: [Program]
  /// Measured in fewer rounds of its own: one of its runs takes as long as many of the others, and leaves cold caches.
  private(set) var qemu: Program?
  /// Why a row is not there.
  private(set) var remarks: [String] = []
  let reported: Program
  let sleeper: Program

  // Where these are among `programs`; the first two are in QEMU's rounds too.
  static let bare = 0
  static let floor = 1
  static let hello = 2

  static let sleepingImage = "clock.elf"

  /// `qemuKernel` is where `MicroVMKernel.image()` is.
  init(_ options: Options, qemuKernel: String, _ streams: Streams) throws(BenchmarkError) {
    let monitor = options.products + "/needletail"
    let image = options.products + "/hello.elf"
    reported = Program("needletail run --report - hello.elf", [monitor, "run", "--report", "-", image])
    let sleepingImage = options.products + "/" + Self.sleepingImage
    sleeper = Program("needletail run \(Self.sleepingImage)", [monitor, "run", sleepingImage])

    programs = [
      Program("bare process", [options.products + "/bare"]),
      Program("floor", [options.products + "/floor"]),
      Program("needletail run hello.elf", [monitor, "run", image]),
    ]
    if let hosted = options.hosted {
      programs.append(Program("hello as a Linux process", [hosted]))
    } else {
      remarks.append("hello as a Linux process: left out, it is not built")
    }
    guard let qemu = options.qemu else {
      remarks.append("QEMU: left out, it is not installed")
      return
    }
    let direct = Self.microVM(qemu, accelerator: "kvm", kernel: qemuKernel)
    if let refusal = try Self.refusal(of: direct, streams) {
      remarks.append("QEMU microvm on KVM: left out, \(refusal)")
      let emulated = Self.microVM(qemu, accelerator: "tcg", kernel: qemuKernel)
      if let refusal = try Self.refusal(of: emulated, streams) {
        remarks.append("QEMU microvm, emulated: left out, \(refusal)")
      } else {
        self.qemu = emulated
      }
    } else {
      self.qemu = direct
    }
  }

  private static func microVM(_ qemu: String, accelerator: String, kernel: String) -> Program {
    Program(
      accelerator == "kvm" ? "QEMU microvm on KVM" : "QEMU microvm, emulated",
      [
        qemu, "-M", "microvm,pit=off,pic=off,rtc=off,isa-serial=off", "-accel", accelerator, "-cpu", "qemu64",
        "-m", "64M", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
        "-device", MicroVMKernel.qemuDevice, "-kernel", kernel,
      ], expectedStatus: MicroVMKernel.qemuStatus)
  }

  /// Why a program cannot be measured; nil if it can.
  private static func refusal(of program: Program, _ streams: Streams) throws(BenchmarkError) -> String? {
    let status = try program.run(streams).status
    let errors = streams.takeErrors()
    guard status != program.expectedStatus else { return nil }
    let line = errors.split(separator: 0x0a).last.map { String(decoding: $0, as: UTF8.self) } ?? "it said nothing"
    return "it ended with \(status): \(line)"
  }
}
