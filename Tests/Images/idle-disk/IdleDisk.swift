import GuestKernel

#devices(.block("data"))

/// Does what hello does and has a disk that it leaves alone: what such a disk costs.
@main
struct IdleDisk {
  static func main() async {
    do throws(DeviceError) {
      let disk = try BlockDevice("data")
      print("Hello, disk of \(disk.byteCount) bytes!")
    } catch {
      print(error.description)
      Kernel.exit(1)
    }
  }
}
