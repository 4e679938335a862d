import KVM
import MachineABI
import Virtio

/// The devices that an image declares, matched with what the machine's configuration has for them.
struct AttachedDevices: ~Copyable {
  private let declared: [DeclaredDevice]
  private let configuration: MachineConfiguration
  /// For each declared device, the file of those that have one.
  private let files: [BlockFile?]

  /// Opens every file that the image's block devices are to be.
  ///
  /// - Throws: `MachineError.device` for a device that is declared and not attached, or attached and not declared.
  init(_ declared: [DeclaredDevice], _ configuration: MachineConfiguration) throws(MachineError) {
    for attachment in configuration.blockDevices {
      guard declared.contains(where: { $0.kind == .block && $0.name == attachment.name }) else {
        throw .device(.undeclared(attachment.name, declared: declared))
      }
    }
    var files: [BlockFile?] = []
    for device in declared {
      guard device.kind == .block else {
        files.append(nil)
        continue
      }
      guard let attachment = configuration.blockDevices.first(where: { $0.name == device.name }) else {
        throw .device(.missing(device.name))
      }
      do throws(BlockFileError) {
        files.append(
          try BlockFile(opening: attachment.path, isReadOnly: attachment.isReadOnly, isDirect: attachment.isDirect))
      } catch {
        throw .device(.block(device.name, error))
      }
    }
    self.declared = declared
    self.configuration = configuration
    self.files = files
  }

  var count: Int { declared.count }

  /// What the guest is told of the devices.
  ///
  /// - Parameter registers: the first device's register page; the others follow.
  func entries(registers: UInt64) -> [DeviceEntry] {
    declared.enumerated().map { index, device in
      var entry = DeviceEntry()
      withUnsafeMutableBytes(of: &entry.name) { name in
        // The image's loader has seen to it that a terminator fits.
        for (place, byte) in device.name.utf8.enumerated() { name[place] = byte }
      }
      entry.kind = device.kind.virtioID
      entry.vector = UInt32(DeviceBus.vector(index))
      entry.registers = registers + UInt64(index * pageSize)
      entry.flags = UInt32(
        NEEDLETAIL_DEVICE_IS_RESET | NEEDLETAIL_DEVICE_SENDS_MESSAGES | NEEDLETAIL_DEVICE_TAKES_POSTED_WRITES)
      return entry
    }
  }

  /// Makes the devices.
  ///
  /// - Parameter stopFlag: see `ConsoleDevice`.
  func attach(loop: DeviceLoop, stopFlag: UnsafePointer<UInt8>) -> (devices: [DeviceBus.Device], console: ConsoleDevice?)
  {
    var console: ConsoleDevice?
    let devices = declared.enumerated().map { index, declared in
      let device: any VirtioDevice
      switch declared.kind {
      case .block: device = BlockDevice(file: files[index]!, serial: declared.name, loop: loop)
      case .console:
        let made = ConsoleDevice(
          input: configuration.consoleInput, output: configuration.consoleDescriptor, loop: loop, stopFlag: stopFlag)
        console = made
        device = made
      case .entropy: device = EntropyDevice()
      }
      return DeviceBus.Device(declaration: declared, device: device)
    }
    return (devices, console)
  }
}
