import CLinux

/// How busy the machine is besides.
package enum LoadAverage {
  /// Over the last minute.
  package static func now() -> Ratio {
    var load = 0.0
    getloadavg(&load, 1)
    return Ratio(thousandths: Int(load * 1000))
  }

  /// With two processors, half of one is enough to get into the way.
  package static func isBusy(_ load: Ratio) -> Bool { load.thousandths > 500 }
}
