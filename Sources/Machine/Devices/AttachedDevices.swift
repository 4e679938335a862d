import KVM
import MachineABI
import Virtio

/// The devices that an image declares, matched with what the machine's configuration has for them.
struct AttachedDevices {
  private let declared: [DeclaredDevice]
  private let configuration: MachineConfiguration
  /// Those that are made already, because their files were to be opened before anything else.
  private let blockDevices: [BlockDevice]
  private let loop = DeviceLoop()

  /// Opens every file that the image's block devices are to be.
  ///
  /// - Throws: `MachineError.device` for a device that is declared and not attached, or attached and not declared.
  init(_ declared: [DeclaredDevice], _ configuration: MachineConfiguration) throws(MachineError) {
    for attachment in configuration.blockDevices {
      guard declared.contains(where: { $0.kind == .block && $0.name == attachment.name }) else {
        throw .device(.undeclared(attachment.name, declared: declared))
      }
    }
    var blockDevices: [BlockDevice] = []
    for device in declared where device.kind == .block {
      guard let attachment = configuration.blockDevices.first(where: { $0.name == device.name }) else {
        throw .device(.missing(device.name))
      }
      do throws(BlockFileError) {
        let file = try BlockFile(
          opening: attachment.path, isReadOnly: attachment.isReadOnly, isDirect: attachment.isDirect)
        blockDevices.append(BlockDevice(file: file, name: device.name, loop: loop))
      } catch {
        throw .device(.block(device.name, error))
      }
    }
    self.declared = declared
    self.configuration = configuration
    self.blockDevices = blockDevices
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

  /// Makes the rest of the devices, and puts all on a bus.
  ///
  /// - Parameters:
  ///   - registers: one page for each device.
  ///   - stopFlag: see `ConsoleDevice`.
  ///   - memory, sender, writeEvents: see `DeviceBus`.
  func makeBus(
    registers: consuming MemoryMapping, memory: GuestRegions, sender: InterruptMessageSender, writeEvents: WriteEvents,
    stopFlag: UnsafePointer<UInt8>
  ) -> DeviceBus {
    var console: ConsoleDevice?
    var unusedBlockDevices = blockDevices[...]
    let devices = declared.map { declared in
      let device: any VirtioDevice
      switch declared.kind {
      case .block: device = unusedBlockDevices.removeFirst()
      case .console:
        let made = ConsoleDevice(
          input: configuration.consoleInput, output: configuration.consoleDescriptor, loop: loop, stopFlag: stopFlag)
        console = made
        device = made
      case .entropy: device = EntropyDevice()
      }
      return DeviceBus.Device(declaration: declared, device: device)
    }
    return DeviceBus(
      devices, console: console, loop: loop, registers: registers, memory: memory, sender: sender,
      writeEvents: writeEvents)
  }
}
