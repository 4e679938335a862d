import CPVHBoot
import MachineABI
import Testing

/// Frequencies and dates.
@Suite struct ClockTests {
  @Test func frequencies() {
    #expect(pvh_crystal_khz(24_000_000, 176, 2) == 2_112_000)
    #expect(pvh_crystal_khz(0, 176, 2) == 0)
    #expect(pvh_crystal_khz(24_000_000, 1, 0) == 0)
    #expect(pvh_crystal_khz(.max, .max, 1) == 18_446_744_065_119_617)
    // 2.5 GHz: 0.4 ns a tick.
    #expect(pvh_kvmclock_khz(0xcccc_cccc, -1) == 2_500_000)
    #expect(pvh_kvmclock_khz(0x8000_0000, 1) == 1_000_000)
    #expect(pvh_kvmclock_khz(0, 0) == 0)
    #expect(pvh_kvmclock_khz(1, 127) == 0 && pvh_kvmclock_khz(1, -128) == 0)
    // 10 ms.
    #expect(pvh_timer_khz(25_000_000, 11_931) == 2500171)
    #expect(pvh_timer_khz(1, 0) == 0 && pvh_timer_khz(.max, 1) == 0)
  }

  @Test(arguments: [1_000, 999_999, 1_000_000, 1_000_001, 2_500_000, 100_000_000] as [UInt64])
  func clockPages(khz: UInt64) {
    var clock = needletail_clock()
    pvh_fill_clock(&clock, khz, 12345)
    #expect(clock.tsc_timestamp == 12345 && clock.version == 0)
    // A second's worth of ticks.
    let ticks = khz * 1000
    let shifted = clock.tsc_shift >= 0 ? ticks << UInt64(clock.tsc_shift) : ticks >> UInt64(-Int(clock.tsc_shift))
    let nanoseconds = shifted.multipliedFullWidth(by: UInt64(clock.tsc_to_system_mul))
    let second = Double(nanoseconds.high << 32 | nanoseconds.low >> 32)
    #expect(abs(second - 1e9) < 1e9 / 100_000)
  }

  private func seconds(_ date: [UInt8], format: UInt8 = 2) -> UInt64 {
    var registers = pvh_date(
      second: date[5], minute: date[4], hour: date[3], day: date[2], month: date[1], year: date[0], format: format)
    return pvh_seconds(&registers)
  }

  @Test(
    arguments: [
      ([0x00, 0x01, 0x01, 0x00, 0x00, 0x00], 946_684_800), ([0x24, 0x02, 0x29, 0x23, 0x59, 0x59], 1_709_251_199),
      ([0x24, 0x03, 0x01, 0x00, 0x00, 0x00], 1_709_251_200), ([0x26, 0x11, 0x22, 0x19, 0x47, 0x05], 1_795_376_825),
      ([0x99, 0x12, 0x31, 0x23, 0x59, 0x59], 4_102_444_799),
    ] as [([UInt8], UInt64)])
  func dates(_ date: [UInt8], _ expected: UInt64) { #expect(seconds(date) == expected) }

  @Test func noDates() {
    #expect(seconds([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], format: 0xff) == 0)
    #expect(seconds([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) == 0)
    #expect(seconds([0x26, 0x13, 0x01, 0, 0, 0]) == 0)
    #expect(seconds([0x26, 0x00, 0x01, 0, 0, 0]) == 0)
    #expect(seconds([0x26, 0x01, 0x00, 0, 0, 0]) == 0)
    #expect(seconds([0x26, 0x01, 0x01, 0x24, 0, 0]) == 0)
    // Binary, or with a forenoon: nobody sets it so.
    #expect(seconds([0x26, 0x01, 0x01, 0, 0, 0], format: 6) == 0)
    #expect(seconds([0x26, 0x01, 0x01, 0, 0, 0], format: 0) == 0)
  }
}
