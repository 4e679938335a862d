import GuestKernel

#devices(.console)

/// Greets whom the arguments name, or else the first line of the input.
@main
struct Greeter {
  static func main() async {
    guard Kernel.arguments.count <= 2 else {
      print("usage: greeter [NAME]")
      Kernel.exit(2)
    }
    var name: String?
    if Kernel.arguments.count == 2 { name = Kernel.arguments[1] } else { name = await Console.readLine() }
    print("Good morning, \(name ?? "whoever you are")!")
  }
}
