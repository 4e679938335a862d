/// Where packets to the addresses of a network go.
struct IPv4Route: Equatable {
  var destination: IPv4Prefix
  /// nil: nowhere but to the addresses themselves, which are on this link.
  var router: IPv4Address?

  static func toEverywhere(by router: IPv4Address) -> IPv4Route {
    IPv4Route(destination: IPv4Prefix(.any, length: 0), router: router)
  }
}
