import GuestKernel
import MachineABI
import Network

/// The interfaces that are open. An interface that nobody opens is never touched.
#if hasFeature(Embedded)
  enum OpenNetworks {
    // One processor, no preemption: see `DeviceDriver`.
    private nonisolated(unsafe) static var last: Network?

    /// Opens an interface, or finds it among those that are open.
    static func network(_ name: String?) throws(NetworkError) -> Network {
      let names = DeviceTable.attached.names(ofKind: UInt32(VIRTIO_ID_NETWORK))
      let name = try chosen(name, among: names)
      if let network = last?.named(name) { return network }
      let configuration = try configuration(of: name)
      do throws(DeviceError) {
        let device = try DeviceTable.attached.device(named: name, kind: UInt32(VIRTIO_ID_NETWORK))
        var interface: NetworkInterface!
        let driver = try NetworkDriver.open(device, page: MappedRegisterPage(device)) { link in
          interface = NetworkInterface(name: name, link: link, configuration)
          return interface
        }
        EventLoop.append(driver, device)
        let network = Network(interface, NetworkLink(driver), next: last)
        last = network
        return network
      } catch {
        throw NetworkError(.open, name, .device(error))
      }
    }

    static var arguments: NetworkArguments {
      NetworkArguments(
        Kernel.arguments, interfaces: DeviceTable.attached.names(ofKind: UInt32(VIRTIO_ID_NETWORK)))
    }
  }

  /// The device below an interface.
  struct NetworkLink: Sendable {
    // One processor, no preemption: see `DeviceDriver`.
    private nonisolated(unsafe) let driver: NetworkDriver<MappedRegisterPage>

    init(_ driver: NetworkDriver<MappedRegisterPage>) {
      self.driver = driver
    }

    var isUp: Bool { driver.isLinkUp }
    var queueStatistics: NetworkQueueStatistics { driver.queueStatistics }
  }
#else
  import Synchronization

  enum OpenNetworks {
    private static let last = Mutex<Network?>(nil)

    /// Opens an interface, or finds it among those that are open.
    static func network(_ name: String?) throws(NetworkError) -> Network {
      let declarations = TAPDeclaration.all
      let name = try chosen(name, among: declarations.map { $0.name })
      return try last.withLock { last throws(NetworkError) in
        if let network = last?.named(name) { return network }
        let configuration = try configuration(of: name)
        guard let declaration = declarations.first(where: { $0.name == name }) else {
          throw NetworkError(.open, name, .device(DeviceError(device: name, reason: .notAttached)))
        }
        do throws(DeviceError) {
          let link = try TAPLink(declaration)
          let interface = NetworkInterface(name: name, link: link.capabilities, configuration)
          link.start(interface)
          let network = Network(interface, NetworkLink(), next: last)
          last = network
          return network
        } catch {
          throw NetworkError(.open, name, .device(error))
        }
      }
    }

    static var arguments: NetworkArguments {
      NetworkArguments(Kernel.arguments, interfaces: TAPDeclaration.all.map { $0.name })
    }
  }

  /// The device below an interface.
  struct NetworkLink: Sendable {
    var isUp: Bool { true }
    var queueStatistics: NetworkQueueStatistics { NetworkQueueStatistics() }
  }
#endif

extension Network {
  /// The one of this name among this and those that were opened before it.
  fileprivate func named(_ name: String) -> Network? {
    self.name == name ? self : next?.named(name)
  }
}

extension OpenNetworks {
  private static func chosen(_ name: String?, among names: [String]) throws(NetworkError) -> String {
    if let name { return name }
    guard let first = names.first else {
      throw NetworkError(.open, "net", .device(DeviceError(device: "net", reason: .notAttached)))
    }
    guard names.count == 1 else { throw NetworkError(.open, first, .ambiguousInterface) }
    return first
  }

  /// What the arguments say of an interface.
  private static func configuration(of name: String) throws(NetworkError) -> NetworkConfiguration {
    do throws(NetworkConfigurationError) {
      return try arguments.configuration(of: name)
    } catch {
      throw NetworkError(.open, name, .configuration(error))
    }
  }
}

extension NetworkInterface {
  convenience init(name: String, link: LinkCapabilities, _ configuration: NetworkConfiguration) {
    var random = SystemRandomNumberGenerator()
    let stack = NetworkStack(
      link, configuration, seed: (random.next(), random.next()),
      at: NetworkInstant(nanoseconds: monotonicNanoseconds()))
    self.init(name: name, stack: stack)
  }
}
