import KVM
import MachineABI
import Virtio

/// The devices that an image declares, or a Linux machine has, matched with what the machine's configuration has for them.
struct AttachedDevices {
  /// What a machine's configuration has.
  struct Attachments {
    var blockDevices: [BlockAttachment] = []
    var networks: [NetworkAttachment] = []
    /// A console device's.
    var consoleInput: Int32 = -1
    var consoleOutput: Int32 = -1
    /// Takes a line for the user about something that goes wrong while the machine runs, on whichever thread finds out.
    var warn: @Sendable (String) -> Void = { _ in }
    /// Told, on whichever thread finds out, when a network that the machine cannot do without is gone.
    var requiredNetworkWasLost: @Sendable () -> Void = {}
  }

  private let declared: [DeclaredDevice]
  private let attachments: Attachments
  /// Those that are made already, because their files were to be opened before anything else.
  private let blockDevices: [BlockDevice]
  private let networks: [NetworkDevice]
  /// What all of them share.
  let loop = DeviceLoop()

  /// Opens everything that the image's block devices and networks are to be.
  ///
  /// - Throws: `MachineError.device` for a device that is declared and not attached, or attached and not declared.
  init(_ declared: [DeclaredDevice], _ attachments: Attachments) throws(MachineError) {
    for name in attachments.blockDevices.map({ $0.name }) { try Self.require(.block, name, in: declared) }
    for name in attachments.networks.map({ $0.name }) { try Self.require(.network, name, in: declared) }
    // All that is missing is said before anything is opened or started.
    for device in declared {
      let isAttached =
        switch device.kind {
        case .block: attachments.blockDevices.contains { $0.name == device.name }
        case .network: attachments.networks.contains { $0.name == device.name }
        case .console, .entropy: true
        }
      guard isAttached else { throw .device(.missing(device.kind, device.name)) }
    }
    var blockDevices: [BlockDevice] = []
    var networks: [NetworkDevice] = []
    for device in declared {
      if let attachment = attachments.blockDevices.first(where: { $0.name == device.name }), device.kind == .block {
        blockDevices.append(try Self.makeBlockDevice(attachment, loop))
      }
      if let attachment = attachments.networks.first(where: { $0.name == device.name }), device.kind == .network {
        networks.append(try Self.makeNetwork(attachment, loop, attachments))
      }
    }
    self.declared = declared
    self.attachments = attachments
    self.blockDevices = blockDevices
    self.networks = networks
  }

  private static func require(
    _ kind: DeclaredDevice.Kind, _ name: String, in declared: [DeclaredDevice]
  ) throws(MachineError) {
    guard declared.contains(where: { $0.kind == kind && $0.name == name }) else {
      throw .device(.undeclared(kind, name, declared: declared))
    }
  }

  private static func makeBlockDevice(
    _ attachment: BlockAttachment, _ loop: DeviceLoop
  ) throws(MachineError) -> BlockDevice {
    do throws(BlockFileError) {
      let file = try BlockFile(
        opening: attachment.path, isReadOnly: attachment.isReadOnly, isDirect: attachment.isDirect)
      return BlockDevice(file: file, name: attachment.name, loop: loop)
    } catch {
      throw .device(.block(attachment.name, error))
    }
  }

  private static func makeNetwork(
    _ attachment: NetworkAttachment, _ loop: DeviceLoop, _ attachments: Attachments
  ) throws(MachineError) -> NetworkDevice {
    var capture: PacketCapture?
    if let path = attachment.capturePath {
      do throws(SystemCallError) { capture = try PacketCapture(creating: path) } catch {
        throw .device(.capture(attachment.name, error))
      }
    }
    do throws(NetworkBackendError) {
      let device = NetworkDevice(
        backend: try attachment.open(), address: attachment.addressInUse, capture: capture, loop: loop)
      // Taken now, so that there is no lack of it later.
      do throws(SystemCallError) {
        try loop.withLock { () throws(SystemCallError) in try loop.prepare() }
      } catch {
        throw NetworkBackendError.system(error)
      }
      device.linkWentDown = { error in
        let end = attachment.isRequired ? ", and the machine ends, which requires it" : ""
        attachments.warn("network '\(attachment.name)': \(error.description); the link is down\(end)")
        if attachment.isRequired { attachments.requiredNetworkWasLost() }
      }
      return device
    } catch {
      throw .device(.network(attachment.name, error))
    }
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
      entry.high_features = MMIOTransport.highFeatures
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
    var unusedNetworks = networks[...]
    let devices = declared.map { declared in
      switch declared.kind {
      case .network:
        let network = unusedNetworks.removeFirst()
        return DeviceBus.Device(declaration: declared, device: network, network: network)
      case .block: return DeviceBus.Device(declaration: declared, device: unusedBlockDevices.removeFirst())
      case .console:
        let made = ConsoleDevice(
          input: attachments.consoleInput, output: attachments.consoleOutput, loop: loop, stopFlag: stopFlag)
        console = made
        return DeviceBus.Device(declaration: declared, device: made)
      case .entropy: return DeviceBus.Device(declaration: declared, device: EntropyDevice())
      }
    }
    return DeviceBus(
      devices, console: console, loop: loop, registers: registers, memory: memory, interrupt: interrupt,
      writeEvents: writeEvents, warn: attachments.warn)
  }
}
