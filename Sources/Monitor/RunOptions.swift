import Machine

/// What `run` is told.
struct RunOptions: Equatable {
  /// In bytes; nil leaves it to what is run.
  var memorySize: UInt64?
  var randomizesAddresses = true
  var blockDevices: [BlockAttachment] = []
  var networks: [NetworkAttachment] = []
  /// A Linux kernel's initial RAM disk and its command line, if they are given.
  var initrdPath: String?
  var kernelCommandLine: String?
  /// Where to write the report; "-" is standard error.
  var reportPath: String?
  /// The image, then the guest's own arguments.
  var arguments: [String] = []

  var imagePath: String { arguments[0] }

  /// Whether there is an option that only a Linux kernel has a use for.
  var isForLinux: Bool { initrdPath != nil || kernelCommandLine != nil }

  /// The first thing that only an image has a use for, in the words of the command line.
  var forImagesAlone: String? {
    if !randomizesAddresses { return "--no-aslr" }
    return arguments.count > 1 ? "the argument '\(arguments[1])'" : nil
  }
}
