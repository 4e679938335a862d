// An HTTP service on the network "net". Try it without being root:
//
//     needletail run --net net=passt --publish 8080:8080 http.elf
//     curl localhost:8080/
//
// Arguments: `port=N` to listen on another port than 8080, and what configures the network (docs/network.md). The console's
// line "quit", the end of its input if there was any, or POST /quit end the service: requests that are under way are still
// answered.
//
//     GET  /                 "Hello, world!", or whom the query's "name" names
//     GET  /users/:id        what the path says, as JSON
//     POST /sum              the sum of a JSON array of integers
//     GET  /count/:number    as many lines, in chunks
//     POST /echo             what was sent, as it comes
//     GET  /hits, POST /hits a counter
//     GET  /metrics          for Prometheus
//     POST /quit             the end
//
// Exit status 1 if there is no network, or nothing to listen on, and 2 for an argument that is none.

import HTTP
import Sockets

#devices(.console, .network("net"))

@main
struct Main {
  static func main() async {
    let port = port(of: Network.arguments.dropFirst())
    let listener: TCPListener
    do throws(NetworkError) {
      let network = try await Network.open()
      listener = try await TCPListener(port: port, backlog: 1024)
      for address in network.addresses { print("address \(address)") }
    } catch {
      print("error: \(error.description)")
      Kernel.exit(1)
    }
    let server = Service.makeServer()
    Task {
      // A console without input says nothing about when to end.
      var hasInput = false
      while let line = await Console.readLine() {
        hasInput = true
        if line == "quit" { break }
      }
      if hasInput { server.stop() }
    }
    print("serving on port \(port)")
    await server.run(on: listener)
    print("served \(server.statistics.requestCount) requests")
  }

  private static func port(of arguments: ArraySlice<String>) -> UInt16 {
    var port: UInt16 = 8080
    for argument in arguments {
      guard argument.hasPrefix("port="), let number = UInt16(argument.dropFirst(5)), number > 0 else {
        print("error: argument '\(argument)'; expected port=1...65535, or what configures the network")
        Kernel.exit(2)
      }
      port = number
    }
    return port
  }
}
