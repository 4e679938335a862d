import KVM
import MachineABI
import Virtio

/// The devices that an image declares, matched with what the machine's configuration has for them.
struct AttachedDevices {
  let loop = DeviceLoop()
  private(set) var attachments: [DeviceBus.Attachment] = []
  private(set) var console: ConsoleDevice?
  /// What the guest is told of each, in the same order; `registers` is still to be filled in.
  private(set) var entries: [DeviceEntry] = []

  /// Opens every file that the image's block devices are to be.
  ///
  /// - Throws: `MachineError.device` for a device that is declared and not attached, or attached and not declared.
  init(
    _ declared: [DeclaredDevice], _ configuration: MachineConfiguration
  ) throws(MachineError) {
    for attachment in configuration.blockDevices {
      guard declared.contains(where: { $0.kind == .block && $0.name == attachment.name }) else {
        throw .device(.undeclared(attachment.name, declared: declared))
      }
    }
    for device in declared {
      switch device.kind {
      case .block:
        guard let attachment = configuration.blockDevices.first(where: { $0.name == device.name }) else {
          throw .device(.missing(device.name))
        }
        let file: BlockFile
        do throws(BlockFileError) {
          file = try BlockFile(
            opening: attachment.path, isReadOnly: attachment.isReadOnly, isDirect: attachment.isDirect)
        } catch {
          throw .device(.block(device.name, error))
        }
        add(device, BlockDevice(file: file, serial: device.name, loop: loop))
      case .console:
        let console = ConsoleDevice(
          input: configuration.consoleInput, output: configuration.consoleDescriptor, loop: loop)
        self.console = console
        add(device, console)
      case .entropy:
        add(device, EntropyDevice())
      }
    }
  }

  private mutating func add(_ declared: DeclaredDevice, _ device: any VirtioDevice) {
    var entry = DeviceEntry()
    withUnsafeMutableBytes(of: &entry.name) { name in
      // The image's loader has seen to it that a terminator fits.
      for (index, byte) in declared.name.utf8.enumerated() { name[index] = byte }
    }
    entry.kind = device.kind
    entry.vector = UInt32(DeviceBus.vector(attachments.count))
    entry.flags = UInt32(
      NEEDLETAIL_DEVICE_IS_RESET | NEEDLETAIL_DEVICE_SENDS_MESSAGES | NEEDLETAIL_DEVICE_TAKES_POSTED_WRITES)
    entries.append(entry)
    attachments.append(DeviceBus.Attachment(name: declared.name, device: device))
  }

  /// Says where the register pages are, one behind the other.
  mutating func place(at registers: UInt64) {
    for index in entries.indices { entries[index].registers = registers + UInt64(index * pageSize) }
  }
}
