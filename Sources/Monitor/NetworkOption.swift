import Machine
import Virtio

/// Network interfaces as the command line has them.
enum NetworkOption {
  static let expected: StaticString = "NAME=BACKEND[,mac=ADDRESS][,mtu=BYTES][,required]"
  private static let backends = "tap:INTERFACE, fd:NUMBER, unix:PATH or passt"

  /// Reads `NAME=BACKEND`, and behind it `,mac=`, `,mtu=` and `,required` in any order. A path may have commas: only these words at its end
  /// are taken for options.
  static func parse(_ text: String) throws(UsageError) -> NetworkAttachment {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else { throw UsageError("run: --net is '\(text)'; expected \(expected)") }
    var rest = parts[1]
    var address: EthernetAddress?
    var mtu: Int?
    var isRequired = false
    while let comma = rest.utf8.lastIndex(of: UInt8(ascii: ",")) {
      let option = rest[rest.utf8.index(after: comma)...]
      if option.hasPrefix("mac=") {
        guard let given = EthernetAddress(option.dropFirst(4)) else {
          throw UsageError(
            "run: --net is '\(text)'; expected an interface's own address such as mac=02:00:00:00:00:01, got '\(option)'"
          )
        }
        address = given
      } else if option.hasPrefix("mtu=") {
        guard let given = Int(option.dropFirst(4)), NetworkAttachment.mtuRange.contains(given) else {
          throw UsageError(
            "run: --net is '\(text)'; expected mtu= from \(NetworkAttachment.mtuRange.lowerBound)"
              + " to \(NetworkAttachment.mtuRange.upperBound), got '\(option)'")
        }
        mtu = given
      } else if option == "required" {
        isRequired = true
      } else {
        break
      }
      rest = rest[..<comma]
    }
    return NetworkAttachment(
      name: String(parts[0]), backend: try backend(rest, of: text), address: address, mtu: mtu,
      isRequired: isRequired)
  }

  private static func backend(_ words: Substring, of text: String) throws(UsageError) -> NetworkAttachment.Backend {
    if words == "passt" { return .passt(PasstOptions()) }
    let parts = words.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2, !parts[1].isEmpty {
      switch parts[0] {
      case "tap": return .tap(interface: String(parts[1]))
      case "unix": return .socket(path: String(parts[1]))
      case "fd": if let number = Int32(parts[1]), number >= 0 { return .descriptor(number) }
      default: break
      }
    }
    throw UsageError(
      "run: --net is '\(text)'; expected \(backends) behind '\(text.prefix { $0 != "=" })=', got '\(words)'")
  }
}

/// A port of the host's that leads to one of the guest's, as the command line has it.
struct PublishOption {
  static let expected: StaticString = "[NAME=][ADDRESS:]PORT:GUESTPORT[/udp]"

  /// The option's text, for messages.
  private let text: String
  /// The interface; nil for the only one.
  private let name: String?
  private let forwarding: PasstOptions.Forwarding

  init(_ text: String) throws(UsageError) {
    self.text = text
    let named = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    name = named.count == 2 ? String(named[0]) : nil
    var rest = named[named.count - 1]
    var isUDP = false
    if rest.hasSuffix("/udp") {
      isUDP = true
      rest = rest.dropLast(4)
    } else if rest.hasSuffix("/tcp") {
      rest = rest.dropLast(4)
    }
    // From the end: an address of IPv6 has colons of its own.
    let colons = rest.utf8.indices.filter { rest.utf8[$0] == UInt8(ascii: ":") }
    guard let last = colons.last else { throw Self.refusal(text) }
    let hostStart: Substring.Index
    var address: String?
    if colons.count > 1 {
      let before = colons[colons.count - 2]
      address = String(rest[..<before])
      hostStart = rest.utf8.index(after: before)
    } else {
      hostStart = rest.startIndex
    }
    guard let hostPort = UInt16(rest[hostStart..<last]), hostPort > 0,
      let guestPort = UInt16(rest[rest.utf8.index(after: last)...]), guestPort > 0, address != ""
    else { throw Self.refusal(text) }
    forwarding = PasstOptions.Forwarding(
      isUDP: isUDP, hostAddress: address, hostPort: hostPort, guestPort: guestPort)
  }

  private static func refusal(_ text: String) -> UsageError {
    UsageError("run: --publish is '\(text)'; expected \(expected) with ports from 1 to 65535")
  }

  /// Adds the forwarding to the interface that it is for.
  func apply(to networks: inout [NetworkAttachment]) throws(UsageError) {
    let candidates = networks.indices.filter { index in
      if case .passt = networks[index].backend { return name == nil || networks[index].name == name }
      return false
    }
    guard candidates.count == 1, case .passt(var options) = networks[candidates[0]].backend else {
      throw UsageError(
        name == nil
          ? "run: --publish is '\(text)'; expected one --net NAME=passt, or NAME= in front of the ports"
          : "run: --publish is '\(text)'; expected a --net \(name!)=passt")
    }
    options.forwardings.append(forwarding)
    networks[candidates[0]].backend = .passt(options)
  }
}

/// The file in which an interface's frames are recorded, as the command line has it.
struct CaptureOption {
  static let expected: StaticString = "[NAME=]FILE"

  private let text: String

  init(_ text: String) { self.text = text }

  /// Gives the file to the interface that it is for: to the one that is named, or else to the only one.
  func apply(to networks: inout [NetworkAttachment]) throws(UsageError) {
    var index: Int?
    var path = text[...]
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      index = networks.firstIndex { $0.name == parts[0] }
      if index != nil { path = parts[1] }
    }
    if index == nil, networks.count == 1 { index = 0 }
    guard let index, !path.isEmpty else {
      throw UsageError("run: --pcap is '\(text)'; expected \(Self.expected), NAME being that of a --net")
    }
    guard networks[index].capturePath == nil else {
      throw UsageError("run: --pcap names '\(networks[index].name)' twice; expected one file for each interface")
    }
    networks[index].capturePath = String(path)
  }
}
