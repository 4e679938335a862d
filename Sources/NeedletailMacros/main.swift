// The macros of GuestKernel. The compiler starts this program, on the machine that builds, and asks it what to put in
// their place.

let compiler = CompilerConnection()
while let message = compiler.receive() {
  compiler.send(answer(message))
}
