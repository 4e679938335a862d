import GuestKernel
import Network

/// What the arguments say of networks.
///
/// `KEY=VALUE` is for the only interface, `NAME.KEY=VALUE` for the one of that name; the keys are those of
/// `NetworkConfiguration`.
struct NetworkArguments {
  /// The arguments that are not words for any of the interfaces.
  private(set) var others: [String] = []
  private var words: [(interface: String?, word: String)] = []

  /// - Parameter interfaces: the names of those that are attached. A word for any other is no word.
  init(_ arguments: [String], interfaces: [String]) {
    for argument in arguments {
      if NetworkConfiguration.isWord(argument), !interfaces.isEmpty {
        words.append((nil, argument))
      } else if let (interface, word) = Self.split(argument, interfaces) {
        words.append((interface, word))
      } else {
        others.append(argument)
      }
    }
  }

  private static func split(_ argument: String, _ interfaces: [String]) -> (String, String)? {
    for interface in interfaces {
      let prefix = interface.utf8.count + 1
      guard argument.utf8.starts(with: (interface + ".").utf8) else { continue }
      let word = String(decoding: argument.utf8.dropFirst(prefix), as: UTF8.self)
      if NetworkConfiguration.isWord(word) { return (interface, word) }
    }
    return nil
  }

  /// An interface's configuration. Words without a name are for every interface that has none with its name.
  func configuration(of interface: String) throws(NetworkConfigurationError) -> NetworkConfiguration {
    let own = words.filter { $0.interface == interface }
    return try NetworkConfiguration(words: (own.isEmpty ? words.filter { $0.interface == nil } : own).map { $0.word })
  }
}
