/// What host and guest must agree on, compiled into both.
///
/// The layouts live in `CMachineABI` (the trap stubs need them too); this module gives them Swift names.
@_exported import CMachineABI

/// The page that RDI names at entry; see `struct needletail_boot_info`.
public typealias BootInfo = needletail_boot_info
/// The page through which a guest talks to its monitor; see `struct needletail_shared_page`.
public typealias SharedPage = needletail_shared_page
/// The descriptor of the image's ELF note; see `struct needletail_image_note`.
public typealias ImageNote = needletail_image_note
/// The kvmclock structure; see `struct needletail_clock`.
public typealias ClockPage = needletail_clock
/// One attached device; see `struct needletail_device`.
public typealias DeviceEntry = needletail_device
/// A register write that waits in the shared page; see `struct needletail_posted_write`.
public typealias PostedWrite = needletail_posted_write
/// A device that an image declares; see `struct needletail_device_declaration`.
public typealias DeviceDeclaration = needletail_device_declaration

/// The size of a page in bytes, the granularity of every mapping (Intel SDM volume 3, 4.1).
public let pageSize = 4096

/// The mask of a virtio feature, from its bit number: 0 to 63 (virtio-1.2 §2.2).
public func feature(_ bit: Int32) -> UInt64 { 1 << UInt64(bit) }
