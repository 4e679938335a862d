@testable import Virtio

/// Requests of a hostile driver to the entropy device.
let entropyTarget = FuzzTarget(name: "entropy") { bytes in
  var input = FuzzInput(bytes)
  let driver = HostileDriver(EntropyDevice())
  driver.start(&input)
  while !input.isAtEnd {
    driver.step(input.next(below: HostileDriver.stepCount), &input)
  }
  driver.end()
}
