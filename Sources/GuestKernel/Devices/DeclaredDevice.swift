/// A device that an image declares with `devices(_:)`.
public enum DeclaredDevice: Sendable {
  /// Storage. The name is 1 to 31 of A-Z a-z 0-9 . _ - and is what the program, and whoever runs it, call it by:
  /// `needletail run --block NAME=PATH`.
  case block(_ name: StaticString)
  /// The monitor's standard input and output. Its name is "console".
  case console
  /// The host's randomness. Its name is "entropy".
  case entropy
  /// A network interface. The name is as a block device's: `needletail run --net NAME=tap:IFACE`. See `Network`.
  case network(_ name: StaticString)
}

/// Declares the devices that a program needs: a monitor attaches these and no others, or does not run the image.
///
/// ```swift
/// import GuestKernel
///
/// #devices(.console, .block("data"))
///
/// @main struct Program { ... }
/// ```
///
/// It stands outside of types and functions, at most once in a file, in the program's own target: what a library declares
/// the compiler puts into every module that imports it as well, and the linker then reports a duplicate symbol.
///
/// Names are unique within an image, which has at most one console, one entropy device, and 64 devices altogether; they
/// are written out as literals. What breaks these rules within one `#devices` is an error where it stands, what breaks
/// them only across several files is refused by the monitor.
///
/// The declarations become notes in the image (docs/boot-contract.md, section 2.8); they take no memory that the program
/// sees, and no time. In an ordinary process they are nothing.
@freestanding(declaration, names: named(needletailDevices))
public macro devices(_ devices: DeclaredDevice...) =
  #externalMacro(module: "NeedletailMacros", type: "Devices")
