/// The least that a process can be: static, and gone. What it takes is what every other figure contains.
@main
struct Bare {
  static func main() {}
}
