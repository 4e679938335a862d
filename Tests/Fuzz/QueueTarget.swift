@testable import Virtio

/// Queues that a hostile driver fills, with a device that takes chains and gives them back at any time.
let queueTarget = FuzzTarget(name: "queue") { bytes in
  var input = FuzzInput(bytes)
  let device = EchoDevice()
  let driver = HostileDriver(device)
  device.driver = driver
  driver.start(&input)
  while !input.isAtEnd {
    let kind = input.next(below: HostileDriver.stepCount + 4)
    switch kind - HostileDriver.stepCount {
    case 0: device.release(input.next(below: 8))
    case 1: device.holds.toggle()
    case 2: device.limit = input.flag() ? .max : input.next(below: 4)
    case 3: device.queues.randomQueue(&input)?.notifyDriver()
    default: driver.step(kind, &input)
    }
    driver.checkPage()
  }
  driver.end()
}

extension [Virtqueue] {
  fileprivate func randomQueue(_ input: inout FuzzInput) -> Virtqueue? {
    isEmpty ? nil : self[input.next(below: count)]
  }
}
