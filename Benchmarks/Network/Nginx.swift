import BenchmarkSupport

/// nginx in a namespace, with an answer as long as the example's.
final class Nginx {
  private let configuration: TemporaryFile
  private let server: Server

  static let port = 8080

  /// - Parameters:
  ///   - address: where a client reaches it: 10.7.2.2, of the namespace "peer", if not given.
  ///   - clientPort: the same.
  init(
    in namespace: String = "peer", address: String = Lab.Side.linux.address, clientPort: Int = port
  ) throws(BenchmarkError) {
    configuration = try TemporaryFile(
      Array(
        """
        daemon off; worker_processes 1; pid /run/nginx-\(namespace).pid; error_log stderr crit; user root;
        events { worker_connections 1024; }
        http {
          access_log off; keepalive_requests 1000000000; tcp_nodelay on; default_type text/plain;
          server { listen \(Self.port); location / { return 200 "Hello, world!\\n"; } }
        }

        """.utf8))
    server = try Server(
      "nginx", Lab.inside(namespace, ["/usr/sbin/nginx", "-e", "stderr", "-c", configuration.path]))
    // It says nothing when it is ready, so a client tries. Behind pasta there is a connection before, but no answer.
    let request = Array("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".utf8)
    let giveUp = Monotonic.now() + 20_000_000_000
    while try Exchange(with: address, clientPort, sending: request, milliseconds: 1000).text.isEmpty {
      guard Monotonic.now() < giveUp else { throw server.failure("does not answer") }
    }
  }

  func stop() { server.stop() }
}
