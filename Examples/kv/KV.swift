// A key-value store on the block device "data", with commands on the console:
//
//     set KEY VALUE     gives KEY a value: the rest of the line
//     get KEY           prints the value of KEY
//     delete KEY        takes the value from KEY
//     list [PREFIX]     prints the keys that have values, sorted
//     commit            makes all changes durable, and then says "committed N", the N-th commit of this run
//     discard           forgets the changes since the last commit
//     help, quit
//
// A blank device is formatted. What is not committed is lost with "quit", with the end of the input, and in a crash.
//
//     truncate -s 16M kv.img
//     needletail run --block data=kv.img kv.elf
//
// Exit status 1 if there is no device, no store on it, or no way to read it.

import GuestKernel
import Storage

#devices(.console, .block("data"))

@main
struct KV {
  static func main() async {
    let store: Storage<BlockDevice>
    do { store = try await open() } catch {
      print("error: \(error.description)")
      Kernel.exit(1)
    }
    await Session(store: store).run()
  }

  private static func open() async throws(Failure) -> Storage<BlockDevice> {
    let disk: BlockDevice
    do throws(DeviceError) { disk = try BlockDevice("data") } catch { throw Failure(description: error.description) }
    do throws(StorageError<BlockError>) {
      return try await Storage.openOrFormat(on: disk)
    } catch {
      throw Failure(description: error.description)
    }
  }

  /// Why there is no store.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }
}
