// swift-tools-version: 6.2
import CompilerPluginSupport
import PackageDescription

/// Everything is built in the Swift 6 language mode; these are the features beyond it.
let plainSettings: [SwiftSetting] = [
  .enableExperimentalFeature("Extern"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// The probes go below what an ordinary process has, so they exist as images only; the Makefile says when those are built.
let buildsImages = Context.environment["NEEDLETAIL_IMAGES"] != nil

let imagesOnly: [Target] = [
  .executableTarget(
    name: "probe",
    dependencies: ["ProbeSupport", "GuestKernel", "CGuestKernel", "MachineABI", "CrashPrimitives", "ProbePrimitives"],
    path: "Tests/Images/probe", swiftSettings: settings),
  .executableTarget(
    name: "device-probe",
    dependencies: ["ProbeSupport", "GuestKernel", "CGuestKernel", "MachineABI", "ProbePrimitives", "SeededRandom"],
    path: "Tests/Images/device-probe", swiftSettings: settings),
  .target(
    name: "ProbeSupport", dependencies: ["GuestKernel", "MachineABI", "ProbePrimitives"],
    path: "Tests/Images/probe-support", swiftSettings: settings),
  .systemLibrary(name: "ProbePrimitives", path: "Tests/Images/probe-primitives"),
]

/// The monitor is linked with musl where the Makefile says so (docs/performance.md, "Why the monitor is linked with musl").
let linksMusl = Context.environment["NEEDLETAIL_MUSL"] != nil
let muslOptions = ["@\(Context.packageDirectory)/MonitorLink/musl.options"]
let muslOnly: [Target] = [.target(name: "CMusl")]

/// The fuzz targets instrument all that they reach (Tests/Fuzz); the Makefile says when that is built. Not what a macro is
/// made of, which the compiler itself runs.
let buildsFuzzers = Context.environment["NEEDLETAIL_FUZZ"] != nil
let sanitizers = ["-sanitize=fuzzer,address"]
let settings = plainSettings + (buildsFuzzers ? [.unsafeFlags(sanitizers + ["-enable-testing"])] : [])

let fuzzersOnly: [Target] = [
  .executableTarget(
    name: "fuzz",
    dependencies: [
      "Virtio", "GuestKernel", "Network", "Sockets", "HTTP", "HTTPSupport", "Storage", "StorageSupport", "KVM",
      "MachineABI", "CLinux",
    ],
    path: "Tests/Fuzz", exclude: ["run"], swiftSettings: settings,
    linkerSettings: [.unsafeFlags(sanitizers + ["-use-ld=lld"])])
]

let package = Package(
  name: "needletail",
  products: [
    .executable(name: "needletail", targets: ["Monitor"]),
    .library(name: "Machine", targets: ["Machine"]),
    .library(name: "GuestKernel", targets: ["GuestKernel"]),
    .library(name: "Sockets", targets: ["Sockets"]),
    .library(name: "Storage", targets: ["Storage"]),
    .library(name: "HTTP", targets: ["HTTP"]),
  ],
  targets: [
    // What host and guest agree on.
    .systemLibrary(name: "CMachineABI"),
    .target(name: "MachineABI", dependencies: ["CMachineABI"], swiftSettings: plainSettings),

    // The host half.
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CKVM"),
    .systemLibrary(name: "CELF"),
    .systemLibrary(name: "CURing"),
    .target(name: "CDemangle"),
    .target(name: "CFirstMemory"),
    .target(name: "KVM", dependencies: ["CKVM", "CLinux"], swiftSettings: settings),
    .target(name: "Virtio", dependencies: ["KVM", "MachineABI", "CLinux", "CURing"], swiftSettings: settings),
    .target(
      name: "Machine", dependencies: ["Virtio", "KVM", "MachineABI", "CELF", "CDemangle", "CKVM", "CLinux"],
      swiftSettings: settings),
    .executableTarget(
      name: "Monitor", dependencies: ["Machine"] + (linksMusl ? ["CMusl", "CFirstMemory"] : []),
      swiftSettings: settings, linkerSettings: linksMusl ? [.unsafeFlags(muslOptions)] : []),

    // The guest half.
    .target(
      name: "CGuestKernel", cSettings: [.headerSearchPath("../CMachineABI")]),
    .target(
      name: "CPVHBoot", dependencies: ["CMachineABI"], cSettings: [.headerSearchPath("../CMachineABI")]),
    .target(name: "MacroExpansion", dependencies: ["MachineABI"], swiftSettings: plainSettings),
    .macro(name: "NeedletailMacros", dependencies: ["MacroExpansion"], swiftSettings: plainSettings),
    .target(
      name: "GuestKernel", dependencies: ["CGuestKernel", "MachineABI", "NeedletailMacros", "CPVHBoot"],
      swiftSettings: settings),
    .executableTarget(
      name: "hello", dependencies: ["GuestKernel"], path: "Examples/hello", swiftSettings: settings),
    .executableTarget(
      name: "clock", dependencies: ["GuestKernel"], path: "Examples/clock", swiftSettings: settings),
    .executableTarget(
      name: "crash", dependencies: ["GuestKernel", "CrashPrimitives"], path: "Examples/crash", swiftSettings: settings),
    .systemLibrary(name: "CrashPrimitives", path: "Examples/crash-primitives"),
    .target(name: "Network", swiftSettings: settings),
    .target(
      name: "Sockets", dependencies: ["GuestKernel", "Network", "MachineABI", "CGuestKernel"], swiftSettings: settings),
    .target(name: "Storage", dependencies: ["GuestKernel"], swiftSettings: settings),
    // Its spans of memory are results of functions, whose lifetimes have to be declared.
    .target(
      name: "HTTP", dependencies: ["Sockets", "GuestKernel"],
      swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    .executableTarget(
      name: "kv", dependencies: ["Storage", "GuestKernel"], path: "Examples/kv", swiftSettings: settings),
    .executableTarget(
      name: "http", dependencies: ["HTTP", "Sockets"], path: "Examples/http", swiftSettings: settings),
    .executableTarget(
      name: "notes", dependencies: ["HTTP", "Storage", "Sockets"], path: "Examples/notes", swiftSettings: settings),

    // What measures, and what it measures against.
    .executableTarget(name: "bare", path: "Benchmarks/Bare", swiftSettings: settings),
    .executableTarget(
      name: "floor", dependencies: ["CKVM", "CLinux"], path: "Benchmarks/Floor", swiftSettings: settings),
    .executableTarget(
      name: "boot-benchmark", dependencies: ["BenchmarkSupport", "CLinux"], path: "Benchmarks/Boot",
      swiftSettings: settings),
    .executableTarget(
      name: "block-benchmark", dependencies: ["BenchmarkSupport", "CLinux"], path: "Benchmarks/Block",
      exclude: ["Load"], swiftSettings: settings),
    .executableTarget(
      name: "network-benchmark", dependencies: ["BenchmarkSupport", "CLinux"], path: "Benchmarks/Network",
      swiftSettings: settings),
    .executableTarget(
      name: "block-load", dependencies: ["GuestKernel"], path: "Benchmarks/Block/Load", swiftSettings: settings),
    .target(name: "BenchmarkSupport", dependencies: ["CLinux"], path: "Benchmarks/Support", swiftSettings: settings),

    // What the integration cases boot besides the examples, and the program that runs the cases.
    .executableTarget(
      name: "idle-stress", dependencies: ["GuestKernel"], path: "Tests/Images/idle-stress", swiftSettings: settings),
    .executableTarget(
      name: "idle-disk", dependencies: ["GuestKernel"], path: "Tests/Images/idle-disk", swiftSettings: settings),
    .executableTarget(
      name: "net-probe", dependencies: ["Sockets", "SeededRandom"], path: "Tests/Images/net-probe",
      swiftSettings: settings),
    .executableTarget(
      name: "net-relay", dependencies: ["Sockets"], path: "Tests/Images/net-relay", swiftSettings: settings),
    .executableTarget(
      name: "integration", dependencies: ["KVM", "Network", "CLinux", "SeededRandom"], path: "Tests/Integration",
      swiftSettings: settings),

    // The layouts of the boot contract as the C compiler has them, for the tests of `MachineABI`.
    .target(
      name: "LayoutFixtures", path: "Tests/LayoutFixtures",
      cSettings: [.headerSearchPath("../../Sources/CMachineABI")]),
    .testTarget(name: "MachineABITests", dependencies: ["MachineABI", "LayoutFixtures"], swiftSettings: settings),
    .target(name: "FirstMemoryFixtures", path: "Tests/FirstMemoryFixtures"),
    .testTarget(
      name: "FirstMemoryTests", dependencies: ["CFirstMemory", "FirstMemoryFixtures"], swiftSettings: settings),
    .testTarget(name: "KVMTests", dependencies: ["KVM", "CKVM", "CLinux"], swiftSettings: settings),
    .testTarget(
      name: "VirtioTests", dependencies: ["Virtio", "KVM", "MachineABI", "CLinux", "SeededRandom"],
      swiftSettings: settings),
    .testTarget(name: "MachineTests", dependencies: ["Machine", "SeededRandom"], swiftSettings: settings),
    .testTarget(name: "MonitorTests", dependencies: ["Monitor", "Machine", "CLinux"], swiftSettings: settings),
    .testTarget(
      name: "MacroExpansionTests", dependencies: ["MacroExpansion", "MachineABI"], swiftSettings: settings),
    .testTarget(
      name: "CPVHBootTests", dependencies: ["CPVHBoot", "MachineABI", "SeededRandom"], swiftSettings: settings),
    .testTarget(
      name: "GuestKernelTests", dependencies: ["GuestKernel", "Sockets", "MachineABI", "Network", "SeededRandom"],
      swiftSettings: settings),
    .testTarget(name: "NetworkTests", dependencies: ["Network", "SeededRandom"], swiftSettings: settings),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP", "HTTPSupport", "TaskGate"], swiftSettings: settings),
    .target(name: "HTTPSupport", dependencies: ["HTTP"], path: "Tests/HTTPSupport", swiftSettings: settings),
    .target(name: "SeededRandom", path: "Tests/SeededRandom", swiftSettings: plainSettings),
    // These two are not instrumented: a mutex has the thread's number in it, which is another one in each run.
    .target(name: "TaskGate", path: "Tests/TaskGate", swiftSettings: plainSettings),
    .target(
      name: "StorageSupport", dependencies: ["Storage", "SeededRandom", "TaskGate"], path: "Tests/StorageSupport",
      swiftSettings: plainSettings),
    .testTarget(
      name: "StorageTests", dependencies: ["Storage", "StorageSupport", "SeededRandom", "TaskGate"],
      swiftSettings: settings),
  ] + (buildsImages ? imagesOnly : []) + (buildsFuzzers ? fuzzersOnly : []) + (linksMusl ? muslOnly : [])
)
