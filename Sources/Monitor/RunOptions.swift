import Machine

/// What `run` is told.
struct RunOptions: Equatable {
  var memorySize: UInt64 = 64 << 20
  var randomizesAddresses = true
  var blockDevices: [BlockAttachment] = []
  /// Where to write the report; "-" is standard error.
  var reportPath: String?
  /// The image, then the guest's own arguments.
  var arguments: [String] = []

  var imagePath: String { arguments[0] }
}
