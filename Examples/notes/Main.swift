// Notes, kept in a `Storage` on the block device "notes" and served on the network "net":
//
//     truncate -s 16M notes.img
//     needletail run --block notes=notes.img --net net=passt --publish 8080:8080 notes.elf
//     curl -T todo.txt localhost:8080/notes/todo
//
//     GET    /notes          the names, as a JSON array; ?prefix= for some of them
//     GET    /notes/:name    a note
//     PUT    /notes/:name    writes a note; answered when it is on the disk
//     DELETE /notes/:name    deletes a note; answered when that is on the disk
//     POST   /quit           ends the service
//
// What was answered with 204 survives a crash at any moment, of this machine, the monitor or the host. Writers that come
// at the same time share a commit. A blank device is formatted.
//
// Arguments: `port=N` to listen on another port than 8080, and what configures the network (docs/network.md). Exit status 1
// if there is no store, no network, or nothing to listen on, and 2 for an argument that is none.

import HTTP
import Sockets
import Storage

#devices(.block("notes"), .network("net"))

@main
struct Main {
  static func main() async {
    let port = port(of: Network.arguments.dropFirst())
    let server = NoteService.makeServer(of: NoteStore(await openStore()))
    let listener: TCPListener
    do throws(NetworkError) {
      let network = try await Network.open()
      listener = try await TCPListener(port: port, backlog: 1024)
      for address in network.addresses { print("address \(address)") }
    } catch {
      fail(error.description)
    }
    print("serving on port \(port)")
    await server.run(on: listener)
  }

  private static func openStore() async -> Storage<BlockDevice> {
    let disk: BlockDevice
    do throws(DeviceError) { disk = try BlockDevice("notes") } catch { fail(error.description) }
    do throws(StorageError<BlockError>) {
      return try await Storage.openOrFormat(on: disk)
    } catch {
      fail(error.description)
    }
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

  private static func fail(_ words: String) -> Never {
    print("error: \(words)")
    Kernel.exit(1)
  }
}
