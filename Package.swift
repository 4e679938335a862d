// swift-tools-version: 6.2
import CompilerPluginSupport
import PackageDescription

/// Everything is built in the Swift 6 language mode; these are the features beyond it.
let settings: [SwiftSetting] = [
  .enableExperimentalFeature("Extern"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// The probe goes below what an ordinary process has, so it exists as an image only; the Makefile says when that is built.
let buildsImages = Context.environment["NEEDLETAIL_IMAGES"] != nil

let imagesOnly: [Target] = [
  .executableTarget(
    name: "probe", dependencies: ["GuestKernel", "CGuestKernel", "MachineABI", "CrashPrimitives", "ProbePrimitives"],
    path: "Tests/Images/probe", swiftSettings: settings),
  .systemLibrary(name: "ProbePrimitives", path: "Tests/Images/probe-primitives"),
]

let package = Package(
  name: "needletail",
  products: [
    .executable(name: "needletail", targets: ["Monitor"]),
    .library(name: "Machine", targets: ["Machine"]),
    .library(name: "GuestKernel", targets: ["GuestKernel"]),
  ],
  targets: [
    // What host and guest agree on.
    .systemLibrary(name: "CMachineABI"),
    .target(name: "MachineABI", dependencies: ["CMachineABI"], swiftSettings: settings),

    // The host half.
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CKVM"),
    .systemLibrary(name: "CELF"),
    .systemLibrary(name: "CURing"),
    .target(name: "CDemangle"),
    .target(name: "KVM", dependencies: ["CKVM", "CLinux"], swiftSettings: settings),
    .target(name: "Virtio", dependencies: ["KVM", "MachineABI", "CLinux", "CURing"], swiftSettings: settings),
    .target(
      name: "Machine", dependencies: ["Virtio", "KVM", "MachineABI", "CELF", "CDemangle", "CKVM", "CLinux"],
      swiftSettings: settings),
    .executableTarget(name: "Monitor", dependencies: ["Machine"], swiftSettings: settings),

    // The guest half.
    .target(
      name: "CGuestKernel", cSettings: [.headerSearchPath("../CMachineABI")]),
    .macro(name: "NeedletailMacros", dependencies: ["MachineABI"], swiftSettings: settings),
    .target(
      name: "GuestKernel", dependencies: ["CGuestKernel", "MachineABI", "NeedletailMacros"], swiftSettings: settings),
    .executableTarget(
      name: "hello", dependencies: ["GuestKernel"], path: "Examples/hello", swiftSettings: settings),
    .executableTarget(
      name: "clock", dependencies: ["GuestKernel"], path: "Examples/clock", swiftSettings: settings),
    .executableTarget(
      name: "crash", dependencies: ["GuestKernel", "CrashPrimitives"], path: "Examples/crash", swiftSettings: settings),
    .systemLibrary(name: "CrashPrimitives", path: "Examples/crash-primitives"),

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
      name: "block-load", dependencies: ["GuestKernel"], path: "Benchmarks/Block/Load", swiftSettings: settings),
    .target(name: "BenchmarkSupport", dependencies: ["CLinux"], path: "Benchmarks/Support", swiftSettings: settings),

    // What the integration cases boot besides the examples, and the program that runs the cases.
    .executableTarget(
      name: "idle-stress", dependencies: ["GuestKernel"], path: "Tests/Images/idle-stress", swiftSettings: settings),
    .executableTarget(
      name: "idle-disk", dependencies: ["GuestKernel"], path: "Tests/Images/idle-disk", swiftSettings: settings),
    .executableTarget(
      name: "integration", dependencies: ["KVM", "CLinux"], path: "Tests/Integration", swiftSettings: settings),

    // The layouts of the boot contract as the C compiler has them, for the tests of `MachineABI`.
    .target(
      name: "LayoutFixtures", path: "Tests/LayoutFixtures",
      cSettings: [.headerSearchPath("../../Sources/CMachineABI")]),
    .testTarget(name: "MachineABITests", dependencies: ["MachineABI", "LayoutFixtures"], swiftSettings: settings),
    .testTarget(name: "KVMTests", dependencies: ["KVM", "CKVM", "CLinux"], swiftSettings: settings),
    .testTarget(
      name: "VirtioTests", dependencies: ["Virtio", "KVM", "MachineABI", "CLinux"], swiftSettings: settings),
    .testTarget(name: "MachineTests", dependencies: ["Machine"], swiftSettings: settings),
    .testTarget(name: "MonitorTests", dependencies: ["Monitor", "Machine", "CLinux"], swiftSettings: settings),
    .testTarget(
      name: "NeedletailMacrosTests", dependencies: ["NeedletailMacros", "MachineABI"], swiftSettings: settings),
    .testTarget(name: "GuestKernelTests", dependencies: ["GuestKernel", "MachineABI"], swiftSettings: settings),
  ] + (buildsImages ? imagesOnly : [])
)
