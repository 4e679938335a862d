import CGuestKernel
import GuestKernel
import MachineABI
import ProbePrimitives
import ProbeSupport

/// An address that a driver may not give to a device.
struct ForbiddenPlace: Sendable {
  let name: String
  let address: UInt64
  /// Whether the application may read what is there; if so a device may as well, unless `isHidden`.
  let isReadable: Bool
  /// Whether the application can read it and a device cannot.
  var isHidden = false

  /// What no device may write.
  static let unwritable: [ForbiddenPlace] = {
    let info = bootInformation()
    let system = SystemPages(behind: info)
    let memoryEnd = info.heap_base + info.heap_size
    let imageEnd = (info.image_base + info.image_size + 0xfff) & ~0xfff
    var places = [
      ForbiddenPlace("null", 0),
      ForbiddenPlace("image-text", UInt64(probe_text()), isReadable: true),
      ForbiddenPlace("constants", UInt64(probe_constant()), isReadable: true),
      ForbiddenPlace("relocated-constants", UInt64(probe_relocated_constant()), isReadable: true),
      ForbiddenPlace("trap-stubs", UInt64(probe_trap_table())),
      ForbiddenPlace("boot-information", bootInformationAddress, isReadable: true),
      ForbiddenPlace("device-table", info.devices, isReadable: true),
      ForbiddenPlace("arguments", info.arguments, isReadable: true),
      ForbiddenPlace("clock", info.clock, isReadable: true),
      ForbiddenPlace("ring-0-stack", system.ring0Stack - 512),
      ForbiddenPlace("global-descriptors", system.globalDescriptors),
      ForbiddenPlace("interrupt-descriptors", system.interruptDescriptors),
      ForbiddenPlace("page-tables", system.pageTables),
      ForbiddenPlace("last-page-table", info.heap_base - 512),
      ForbiddenPlace("control-page", info.control_page),
      ForbiddenPlace("below-stack", info.stack_base - 512),
      ForbiddenPlace("behind-image", imageEnd),
      ForbiddenPlace("behind-memory", memoryEnd),
      ForbiddenPlace("across-memory-end", memoryEnd - 256),
      ForbiddenPlace("across-heap-start", info.heap_base - 256),
      ForbiddenPlace("across-shared-page-end", bootInformationAddress - 256),
      ForbiddenPlace("across-stack-start", info.stack_base - 256),
      ForbiddenPlace("local-apic", 0xfee0_0000),
      ForbiddenPlace("end-of-addresses", .max - 511),
      ForbiddenPlace("wraps-around", .max - 255),
      ForbiddenPlace("non-canonical", 1 << 63),
    ]
    for device in RawDevice.all {
      places.append(
        ForbiddenPlace("registers-of-\(device.name)", device.registers + 0x100, isReadable: true, isHidden: true))
    }
    return places
  }()

  /// What no device may read either.
  static var unreadable: [ForbiddenPlace] { unwritable.filter { !$0.isReadable || $0.isHidden } }

  init(_ name: String, _ address: UInt64, isReadable: Bool = false, isHidden: Bool = false) {
    self.name = name
    self.address = address
    self.isReadable = isReadable
    self.isHidden = isHidden
  }

  /// The beginning of what is there, as far as the application can see.
  var contents: [UInt8] {
    // KVM changes the clock all the time.
    guard isReadable, name != "clock" else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: UInt(address)), count: 128))
  }
}
