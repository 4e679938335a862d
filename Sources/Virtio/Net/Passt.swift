import CLinux
import KVM

/// What passt(1) is told.
public struct PasstOptions: Equatable, Sendable {
  /// A port of the host's that leads to one of the guest's.
  public struct Forwarding: Equatable, Sendable {
    /// Whether it is UDP's, not TCP's.
    public var isUDP: Bool
    /// The host's address that is listened on; nil for all.
    public var hostAddress: String?
    public var hostPort: UInt16
    public var guestPort: UInt16

    public init(isUDP: Bool = false, hostAddress: String? = nil, hostPort: UInt16, guestPort: UInt16) {
      self.isUDP = isUDP
      self.hostAddress = hostAddress
      self.hostPort = hostPort
      self.guestPort = guestPort
    }
  }

  public var forwardings: [Forwarding]

  public init(forwardings: [Forwarding] = []) {
    self.forwardings = forwardings
  }
}

/// passt(1): a program without privileges that makes a guest's packets sockets of the host's, and the other way round.
///
/// It goes to the background when it is ready, which its first process tells by ending; from there it is nobody's child, and
/// what a terminal sends to the monitor does not reach it. It ends when its end of the connection is closed: with the monitor,
/// however that ends.
public enum Passt {
  /// The most that it takes for one packet (passt(1), `--mtu`): with as much for each, segments need not be cut.
  static let mtu = 65520
  /// The descriptor by which the program has its end of the connection.
  private static let connection: Int32 = 3
  /// As much of what it says as is looked at, in bytes.
  private static let textLimit = 4096

  /// Starts it, and waits until it is ready.
  ///
  /// - Parameter mtu: nil for its own.
  public static func start(_ options: PasstOptions, mtu: Int?) throws(NetworkBackendError) -> StreamBackend {
    let mtu = mtu ?? Self.mtu
    var arguments = ["passt", "--quiet", "--fd", "\(connection)", "--mtu", "\(mtu)"]
    // Else the gateway's address would be the host's own services on its loopback address.
    arguments.append("--no-map-gw")
    for forwarding in options.forwardings {
      arguments.append(forwarding.isUDP ? "--udp-ports" : "--tcp-ports")
      let address = forwarding.hostAddress.map { "\($0)/" } ?? ""
      arguments.append("\(address)\(forwarding.hostPort):\(forwarding.guestPort)")
    }
    return StreamBackend(socket: try run(arguments), mtu: mtu)
  }

  /// Runs it to where it is in the background; returns our end of the connection.
  private static func run(_ arguments: [String]) throws(NetworkBackendError) -> FileDescriptor {
    var connected: (Int32, Int32) = (-1, -1)
    var piped: (Int32, Int32) = (-1, -1)
    guard linux_open_local_pair(&connected.0, &connected.1) == 0 else { throw .system(SystemCallError("socketpair")) }
    let ours = FileDescriptor(owning: connected.0)
    let its = FileDescriptor(owning: connected.1)
    guard linux_open_pipe(&piped.0, &piped.1) == 0 else { throw .system(SystemCallError("pipe2")) }
    let errors = FileDescriptor(owning: piped.0)
    let writer = FileDescriptor(owning: piped.1)
    var process = pid_t()
    let result = spawn(arguments, connection: its.rawValue, errors: writer.rawValue, &process)
    guard result == 0 else {
      throw result == ENOENT
        ? .program("passt", reason: "is not installed; expected the program of the package 'passt' on PATH")
        : .program("passt", reason: String(cString: strerror(result)))
    }
    var status: Int32 = 0
    var ended: pid_t
    repeat { ended = waitpid(process, &status, 0) } while ended < 0 && linux_errno() == EINTR
    // Where nobody can wait for children, it is known to have failed when its end of the connection is closed.
    guard ended == process, status != 0 else { return ours }
    throw .program("passt", reason: lastLine(of: errors))
  }

  private static func spawn(_ arguments: [String], connection its: Int32, errors: Int32, _ process: inout pid_t)
    -> Int32
  {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    posix_spawn_file_actions_adddup2(&actions, its, connection)
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    return posix_spawnp(&process, "passt", &actions, nil, words, linux_environment())
  }

  /// What it said last: the reason, if it gave any.
  private static func lastLine(of errors: borrowing FileDescriptor) -> String {
    var text = [UInt8](repeating: 0, count: textLimit)
    let count = read(errors.rawValue, &text, text.count)
    let lines = text[..<max(count, 0)].split(separator: UInt8(ascii: "\n"))
    return lines.last.map { String(decoding: $0, as: UTF8.self) } ?? "ended without a word"
  }
}
