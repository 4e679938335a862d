import GuestKernel

@main
struct Greeter {
  static func main() async {
    guard Kernel.arguments.count == 2 else {
      print("usage: greeter NAME")
      Kernel.exit(2)
    }
    print("Good morning, \(Kernel.arguments[1])!")
  }
}
