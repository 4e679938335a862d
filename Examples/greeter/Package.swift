// swift-tools-version: 6.2
import PackageDescription

// An application outside Needletail's own package. Its image is built with
//
//   make -C ../.. toolsets
//   swift build --toolset ../../GuestLink/toolset.json --scratch-path .build-guest -c release --product greeter
//
// and is then .build-guest/release/greeter; `swift run greeter` runs it as an ordinary process.
let package = Package(
  name: "greeter",
  dependencies: [.package(name: "needletail", path: "../..")],
  targets: [
    .executableTarget(name: "greeter", dependencies: [.product(name: "GuestKernel", package: "needletail")])
  ]
)
