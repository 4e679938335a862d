/// A stub resolver (RFC 1034, 5.3.1): asks name servers for the addresses of a name.
public final class Resolver {
  /// A lookup under way.
  private struct Work {
    var lookup: Lookup
    /// The names to try, the present one first.
    var names: [DNSName]
    /// What is asked about the present name.
    var questions: [DNSQuestion] = []
    /// Of the names tried so far: that one exists counts more than that one does not.
    var error: DNSError?
  }

  var random: NetworkRandom
  private var cache = DNSCache()
  private var works: [Work] = []
  /// Whether `advance` has something to do now.
  private(set) var hasWork = false

  init(random: NetworkRandom) {
    self.random = random
  }

  /// What is known of a host without asking anybody; nil: name servers are to be asked.
  ///
  /// The text form of an address is its own answer. `localhost` and names below it are the loopback addresses (RFC 6761, 6.3),
  /// to which there is no way here; `invalid`, `onion` and names below them do not exist (RFC 6761, 6.4; RFC 7686, 2). A name
  /// whose last label is a number is no host's: 1.2.3 and 0x7f.1 are not asked for, nor taken as addresses.
  public static func answerWithoutServers(_ host: String) -> Result<[IPAddress], DNSError>? {
    if let address = IPAddress(host) { return .success([address]) }
    guard let name = DNSName(host), !name.isNumeric else { return .failure(.badName) }
    switch name.special {
    case .loopback: return .success([.v4(.loopback), .v6(.loopback)])
    case .nowhere: return .failure(.nameNotFound)
    case nil: return nil
    }
  }

  /// Begins to look up a name's addresses, of IPv6 and IPv4 as far as the interface has addresses of that kind, unless the
  /// answer is known (`answerWithoutServers`).
  ///
  /// While an interface with an address of IPv4 may still get one of IPv6, a name that has addresses of IPv4 is done with
  /// those; one that has none waits for what becomes of it.
  ///
  /// A name of one label is looked for in the network's domain first, if DHCP told one.
  public func lookup(_ host: String, at now: NetworkInstant) -> Lookup {
    if let answer = Self.answerWithoutServers(host) { return Lookup(result: answer) }
    guard let name = DNSName(host) else { return Lookup(result: .failure(.badName)) }
    // Those that were cancelled are closed in the next turn, so they do not count.
    guard works.count(where: { $0.lookup.result == nil }) < ResolverLimits.lookupCount else {
      return Lookup(result: .failure(.tooManyLookups))
    }
    let lookup = Lookup()
    works.append(Work(lookup: lookup, names: [name]))
    hasWork = true
    return lookup
  }

  var deadline: NetworkInstant? {
    var deadline: NetworkInstant?
    for work in works {
      for question in work.questions { deadline = earliest(deadline, question.deadline) }
    }
    return deadline
  }

  /// Sends, reads and finishes what can be.
  func advance(_ stack: NetworkStack, at now: NetworkInstant) {
    hasWork = false
    let current = works
    works = []
    for var work in current {
      if work.lookup.result == nil { advance(&work, stack, at: now) }
      if work.lookup.result == nil {
        works.append(work)
      } else {
        for index in work.questions.indices { work.questions[index].close(at: now) }
      }
    }
  }

  private func advance(_ work: inout Work, _ stack: NetworkStack, at now: NetworkInstant) {
    if work.questions.isEmpty, let domain = stack.lease?.domain, work.names[0].isSingleLabel, work.error == nil,
      let whole = work.names[0].appending(domain)
    {
      work.names.insert(whole, at: 0)
    }
    while let name = work.names.first {
      if work.questions.isEmpty {
        work.questions = types(stack).map { DNSQuestion(name, $0) }
      }
      var addresses: [IPAddress] = []
      var error = DNSError.noAddresses
      for index in work.questions.indices {
        let key = DNSCache.Key(name: name, type: work.questions[index].type)
        if let known = cache.addresses(of: key, at: now) {
          work.questions[index].close(at: now)
          addresses += known
          continue
        }
        work.questions[index].advance(self, stack, at: now)
        switch work.questions[index].result {
        case nil: break
        case .failure(let failure): error = failure
        case .addresses(let found, let seconds):
          cache.store(found, of: key, seconds: found.isEmpty ? 0 : seconds, at: now)
          addresses += found
        }
      }
      var isAnswered = work.questions.allSatisfy { isDone($0, at: now) }
      if !stack.hasGlobalIPv6Address {
        // Whoever has addresses of IPv4 can go on with them, and is told of no others, to which there is no way.
        let reachable = addresses.filter { !$0.isIPv6 }
        if reachable.isEmpty, !addresses.isEmpty, stack.expectsGlobalIPv6Address { return }
        isAnswered = isAnswered || !reachable.isEmpty
        addresses = reachable
      }
      guard isAnswered else { return }
      if !addresses.isEmpty { return work.lookup.finish(.success(addresses)) }
      work.error = work.error == nil || error != .nameNotFound ? error : work.error
      work.names.removeFirst()
      work.questions = []
    }
    work.lookup.finish(.failure(work.error ?? .nameNotFound))
  }

  private func isDone(_ question: DNSQuestion, at now: NetworkInstant) -> Bool {
    question.result != nil
      || cache.addresses(of: DNSCache.Key(name: question.name, type: question.type), at: now) != nil
  }

  /// What is asked for, in the order of the answer: IPv6 first, if there is more of it than this link (RFC 6724, 2.1), or
  /// may be when the answer is there.
  private func types(_ stack: NetworkStack) -> [DNSMessage.RecordType] {
    var types: [DNSMessage.RecordType] = []
    if stack.hasGlobalIPv6Address || stack.expectsGlobalIPv6Address { types.append(.aaaa) }
    if stack.ipv4 != nil || !stack.hasGlobalIPv6Address { types.append(.a) }
    return types
  }

  /// What becomes of IPv6 is known, or more than before: for lookups that wait for it.
  func addressesDidChange() {
    if !works.isEmpty { hasWork = true }
  }

  /// Name servers changed: what others said does not count any more.
  func serversDidChange() {
    cache.removeAll()
  }
}

extension Resolver: NetworkObserver {
  /// A port or a connection of a question has something.
  public func networkDidChange() {
    hasWork = true
  }
}
