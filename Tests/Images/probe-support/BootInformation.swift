public import MachineABI
import ProbePrimitives

/// Where the boot information is.
///
/// An application is not told; so by this monitor's layout: it follows the shared page, which follows the page of the
/// thread control block.
public let bootInformationAddress: UInt64 = {
  let page = UInt64(pageSize)
  let sharedPage = (probe_fs_word(0) + page - 1) & ~(page - 1)
  return sharedPage + UInt64(NEEDLETAIL_SHARED_PAGE_SIZE)
}()

public func bootInformation() -> BootInfo {
  let info = UnsafePointer<BootInfo>(bitPattern: UInt(bootInformationAddress))!.pointee
  guard info.magic == UInt32(NEEDLETAIL_BOOT_INFO_MAGIC) else { fatalError("the boot information is elsewhere") }
  return info
}

/// Where the monitor keeps what ring 3 may not reach: the pages behind the boot information, in this order.
public struct SystemPages {
  public let page: UInt64
  /// Offsets in the system page (the monitor's DescriptorTables).
  public var ring0Stack: UInt64 { page + 0x7f8 }
  public var globalDescriptors: UInt64 { page + 0x880 }
  public var interruptDescriptors: UInt64 { page + 0x900 }
  public var pageTables: UInt64 { page + 0x1000 }

  public init(behind info: BootInfo) {
    var end = info.arguments + info.arguments_size
    // The device table may lie on either side of the arguments.
    end = max(end, info.devices + UInt64(info.device_count) * UInt64(MemoryLayout<DeviceEntry>.stride))
    page = (end + 0xfff) & ~0xfff
  }
}
