/// Why a store could not do what it was asked for.
public enum StorageError<DeviceFailure: Error>: Error {
  /// The device failed.
  case device(DeviceFailure)
  /// There is no store on the device, or nothing that could be recognized as one.
  case notAStore
  /// The store has a format that this code does not know.
  case unsupportedVersion(UInt32)
  /// What is at this offset, in bytes from the start of the device, is not what was written there.
  case damaged(at: UInt64)
  /// The device is smaller than a store can be, or than the store on it was when it was made.
  case deviceTooSmall(byteCount: UInt64, required: UInt64)
  /// A key is empty or longer than `StorageLimits.keyByteCount`.
  case badKeyLength(Int, limit: Int)
  /// A value is longer than a store on this device takes.
  case valueTooLong(Int, limit: Int)
  /// What would be committed at once is more than a store on this device takes.
  case tooManyChanges(byteCount: Int, limit: Int)
  /// The pairs would take more of the device than there is for them.
  case full(required: UInt64, limit: UInt64)
  /// The keys would take more memory than the store was given for them.
  case tooManyKeys(byteCount: Int, limit: Int)
}

extension StorageError: Equatable where DeviceFailure: Equatable {}

extension StorageError: CustomStringConvertible where DeviceFailure: CustomStringConvertible {
  /// One line.
  public var description: String {
    switch self {
    case .device(let failure): failure.description
    case .notAStore: "there is no store on the device"
    case .unsupportedVersion(let version): "the store has format \(version), which is not known here"
    case .damaged(let offset): "the store is damaged at byte \(offset) of the device"
    case .deviceTooSmall(let byteCount, let required): "the device has \(byteCount) bytes; the store needs \(required)"
    case .badKeyLength(let byteCount, let limit): "the key has \(byteCount) bytes; a key has 1 to \(limit)"
    case .valueTooLong(let byteCount, let limit): "the value has \(byteCount) bytes; at most \(limit) fit"
    case .tooManyChanges(let byteCount, let limit):
      "the changes since the last commit take \(byteCount) bytes; at most \(limit) can be committed at once"
    case .full(let required, let limit): "the store would hold \(required) bytes; at most \(limit) fit on the device"
    case .tooManyKeys(let byteCount, let limit):
      "the keys would take \(byteCount) bytes of memory; the limit is \(limit)"
    }
  }
}
