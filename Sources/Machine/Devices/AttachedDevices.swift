import KVM
import MachineABI
import Virtio

/// The devices that an image declares, or a Linux machine has, matched with what the machine's configuration has for them.
struct AttachedDevices {
  private let declared: [DeclaredDevice]
  private let consoleInput: Int32
  private let consoleOutput: Int32
  /// Those that are made already, because their files were to be opened before anything else.
  private let blockDevices: [BlockDevice]
  /// What all of them share.
  let loop = DeviceLoop()

  /// Opens every file that the image's block devices are to be.
  ///
  /// - Parameters:
  ///   - attachments: the files, by the devices' names.
  ///   - consoleInput, consoleOutput: a console device's.
  /// - Throws: `MachineError.device` for a device that is declared and not attached, or attached and not declared.
  init(
    _ declared: [DeclaredDevice], _ attachments: [BlockAttachment], consoleInput: Int32, consoleOutput: Int32
  ) throws(MachineError) {
    for attachment in attachments {
      guard declared.contains(where: { $0.kind == .block && $0.name == attachment.name }) else {
        throw .device(.undeclared(attachment.name, declared: declared))
      }
    }
    var blockDevices: [BlockDevice] = []
    for device in declared where device.kind == .block {
      guard let attachment = attachments.first(where: { $0.name == device.name }) else {
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
    self.consoleInput = consoleInput
    self.consoleOutput = consoleOutput
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
  ///   - memory, interrupt, writeEvents: see `DeviceBus`.
  func makeBus(
    registers: consuming MemoryMapping, memory: GuestRegions, interrupt: (_ device: Int) -> () -> Void,
    writeEvents: WriteEvents, stopFlag: UnsafePointer<UInt8>
  ) -> DeviceBus {
    var console: ConsoleDevice?
    var unusedBlockDevices = blockDevices[...]
    let devices = declared.map { declared in
      let device: any VirtioDevice
      switch declared.kind {
      case .block: device = unusedBlockDevices.removeFirst()
      case .console:
        let made = ConsoleDevice(
          input: consoleInput, output: consoleOutput, loop: loop, stopFlag: stopFlag)
        console = made
        device = made
      case .entropy: device = EntropyDevice()
      }
      return DeviceBus.Device(declaration: declared, device: device)
    }
    return DeviceBus(
      devices, console: console, loop: loop, registers: registers, memory: memory, interrupt: interrupt,
      writeEvents: writeEvents)
  }
}
