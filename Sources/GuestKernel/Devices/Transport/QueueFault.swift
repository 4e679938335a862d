/// What a device did to a queue that no working device does; the machine cannot go on, because the device may write anywhere.
package enum QueueFault: Error, Equatable {
  /// The used index went further than there are requests in flight.
  case completesTooMany(claimed: UInt16, inFlight: UInt16)
  /// A completion names a descriptor with which no request in flight begins.
  case notInFlight(id: UInt32)
  /// A completion claims more bytes written than the request had room for.
  case wroteTooMuch(id: UInt32, claimed: UInt32, writable: UInt32)
  /// A received frame's first buffer does not hold the header that every frame has.
  case cutOffHeader(written: UInt32)
  /// A received frame claims to be in so many buffers as no frame is.
  case impossibleFrame(buffers: UInt16)
  /// The device has set DEVICE_NEEDS_RESET (virtio-1.2 §2.1.2): it gives up, and requests in flight are lost.
  case needsReset

  /// The last words of a machine with this device.
  func words(device: String) -> String {
    switch self {
    case .completesTooMany(let claimed, let inFlight):
      "device '\(device)' completes \(claimed) requests, but only \(inFlight) are in flight"
    case .notInFlight(let id): "device '\(device)' completes request \(id), which is not in flight"
    case .wroteTooMuch(let id, let claimed, let writable):
      "device '\(device)' claims to have written \(claimed) bytes to request \(id), which has room for \(writable)"
    case .cutOffHeader(let written):
      "device '\(device)' delivers a frame of \(written) bytes, which is less than its header"
    case .impossibleFrame(let buffers): "device '\(device)' delivers a frame in \(buffers) buffers"
    case .needsReset: "device '\(device)' gave up: it asks for a reset while requests are in flight"
    }
  }
}
