// swift-tools-version: 6.2
import PackageDescription

/// Everything is built in the Swift 6 language mode; these are the features beyond it.
let settings: [SwiftSetting] = [
  .enableExperimentalFeature("Extern"),
  .enableUpcomingFeature("MemberImportVisibility"),
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
    .target(name: "CDemangle"),
    .target(name: "KVM", dependencies: ["CKVM", "CLinux"], swiftSettings: settings),
    .target(
      name: "Machine", dependencies: ["KVM", "MachineABI", "CELF", "CDemangle", "CKVM", "CLinux"], swiftSettings: settings),
    .executableTarget(name: "Monitor", dependencies: ["Machine"], swiftSettings: settings),

    // The guest half.
    .target(
      name: "CGuestKernel", cSettings: [.headerSearchPath("../CMachineABI")]),
    .target(name: "GuestKernel", dependencies: ["CGuestKernel", "MachineABI"], swiftSettings: settings),
    .executableTarget(
      name: "hello", dependencies: ["GuestKernel"], path: "Examples/hello", swiftSettings: settings),
    .executableTarget(
      name: "clock", dependencies: ["GuestKernel"], path: "Examples/clock", swiftSettings: settings),
    .executableTarget(
      name: "crash", dependencies: ["GuestKernel", "CrashPrimitives"], path: "Examples/crash", swiftSettings: settings),
    .systemLibrary(name: "CrashPrimitives", path: "Examples/crash-primitives"),

    .testTarget(name: "MachineTests", dependencies: ["Machine"], swiftSettings: settings),
    .testTarget(name: "GuestKernelTests", dependencies: ["GuestKernel"], swiftSettings: settings),
  ]
)
