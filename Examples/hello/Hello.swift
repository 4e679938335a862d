import GuestKernel

@main
struct Hello {
  static func main() async {
    let name = Kernel.arguments.count > 1 ? Kernel.arguments[1] : "world"
    print("Hello, \(name)!")
  }
}
