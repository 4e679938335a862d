#if !hasFeature(Embedded)
  import Glibc
  import GuestKernel
  import Network

  /// A network interface as the hosted build's environment names it: NAME=tap:IFACE[,mac=ADDRESS].
  struct TAPDeclaration: Equatable {
    let name: String
    /// The TAP device.
    let interface: String
    /// nil: one at random.
    let address: MACAddress?

    /// What the environment says; what cannot be read says nothing.
    static var all: [TAPDeclaration] {
      getenv("NEEDLETAIL_NET").map { parse(String(cString: $0)) } ?? []
    }

    static func parse(_ text: String) -> [TAPDeclaration] {
      text.split(separator: ";").compactMap { TAPDeclaration($0) }
    }

    private init?(_ text: Substring) {
      guard let equals = text.firstIndex(of: "=") else { return nil }
      name = String(text[..<equals])
      var value = text[text.index(after: equals)...]
      guard value.hasPrefix("tap:") else { return nil }
      value = value.dropFirst(4)
      let comma = value.firstIndex(of: ",") ?? value.endIndex
      interface = String(value[..<comma])
      let options = value[comma...]
      if options.isEmpty {
        address = nil
      } else {
        guard options.hasPrefix(",mac="), let parsed = MACAddress(String(options.dropFirst(5))) else { return nil }
        address = parsed
      }
    }
  }
#endif
