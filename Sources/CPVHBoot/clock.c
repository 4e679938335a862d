// Frequencies, and the time of day.
#include "door.h"

PVH_BEGIN

uint64_t pvh_crystal_khz(uint32_t crystal, uint32_t numerator, uint32_t denominator) {
  return denominator ? (uint64_t)crystal * numerator / denominator / 1000 : 0;
}

uint64_t pvh_kvmclock_khz(uint32_t multiplier, int8_t shift) {
  if (!multiplier || shift < -31 || shift > 31) return 0;
  uint64_t khz = ((uint64_t)1000000 << 32) / multiplier;
  return shift < 0 ? khz << -shift : khz >> shift;
}

uint64_t pvh_timer_khz(uint64_t ticks, uint64_t timer_ticks) {
  enum { timer_frequency = 1193182 };
  uint64_t product;
  if (!timer_ticks || __builtin_mul_overflow(ticks, (uint64_t)timer_frequency, &product)) return 0;
  return product / timer_ticks / 1000;
}

void pvh_fill_clock(struct needletail_clock *clock, uint64_t khz, uint64_t time_stamp) {
  // nanoseconds = (ticks << shift) * multiplier / 2^32, with a multiplier that uses its 32 bits well.
  int8_t shift = 0;
  for (; khz > 2000000; shift--) khz >>= 1;
  for (; khz <= 1000000; shift++) khz <<= 1;
  *clock = (struct needletail_clock){.tsc_timestamp = time_stamp, .tsc_shift = shift,
                                     .tsc_to_system_mul = (uint32_t)(((uint64_t)1000000 << 32) / khz)};
}

uint64_t pvh_seconds(const struct pvh_date *date) {
  uint8_t values[6];
  const uint8_t *registers = &date->second;
  // As firmware and hypervisors set it: 24-hour mode, binary-coded decimal.
  if ((date->format & 6) != 2) return 0;
  for (int i = 0; i < 6; i++) values[i] = (uint8_t)((registers[i] >> 4) * 10 + (registers[i] & 15));
  unsigned day = values[3], month = values[4], year = 2000 + values[5];
  if (values[0] > 59 || values[1] > 59 || values[2] > 23 || day - 1 > 30 || month - 1 > 11 || year > 2099) return 0;
  // Days of years that begin in March, so that the leap day is their last; then those up to 1970-01-01 go.
  if (month < 3) year--, month += 12;
  unsigned days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719469;
  return ((days * (uint64_t)24 + values[2]) * 60 + values[1]) * 60 + values[0];
}

#if !__STDC_HOSTED__

struct leaf {
  uint32_t a, b, c, d;
};

static struct leaf cpuid(uint32_t number) {
  struct leaf leaf;
  __asm__ volatile("cpuid" : "=a"(leaf.a), "=b"(leaf.b), "=c"(leaf.c), "=d"(leaf.d) : "a"(number), "c"(0));
  return leaf;
}

// KVM's paravirtual clock (KVM's x86 MSR documentation), where there is one: KVM_FEATURE_CLOCKSOURCE2.
enum { wall_clock_msr = 0x4b564d00, system_time_msr = 0x4b564d01 };

static bool has_kvmclock(uint32_t last_leaf) {
  struct leaf signature = cpuid(0x40000000);
  // "KVMKVMKVM"
  return last_leaf && signature.b == 0x4b4d564b && signature.c == 0x564b4d56 && cpuid(0x40000001).a & 8;
}

// A reading of the interval timer's channel 0 (Intel 8254 data sheet), and when it was taken.
struct reading {
  uint64_t before, after;
  uint32_t count;
  bool has_ended;
  // Nothing there reads as ones; a timer tells the mode that it was given.
  bool is_there;
};

static struct reading read_timer(void) {
  struct reading reading;
  reading.before = pvh_rdtsc();
  pvh_out8(0x43, 0xc2);  // latch status and count
  reading.after = pvh_rdtsc();
  uint8_t status = pvh_in8(0x40);
  reading.has_ended = status >> 7;
  reading.is_there = status != 0xff;
  reading.count = pvh_in8(0x40);
  reading.count |= (uint32_t)pvh_in8(0x40) << 8;
  return reading;
}

// The machine may lose its processor at any moment, so of several measurements the one with the least doubt counts. If it
// loses it so often that the timer ends in all of them, shorter ones are tried as well.
static uint64_t measured_khz(void) {
  enum { attempts = 8, most_attempts = 200, least_ticks = 12000, least_short_ticks = 1200, longest_wait = 1000000 };
  uint64_t khz = 0, least_doubt = UINT64_MAX;
  for (int i = 0; i < attempts || (!khz && i < most_attempts); i++) {
    uint32_t wanted = i < attempts ? least_ticks : least_short_ticks;
    // Mode 0 counts down from 65535 once, and tells when it is through.
    pvh_out8(0x43, 0x30);
    pvh_out8(0x40, 0xff);
    pvh_out8(0x40, 0xff);
    struct reading first = read_timer(), last;
    if (!first.is_there) return 0;
    int wait = 0;
    do last = read_timer();
    while (!last.has_ended && first.count - last.count < wanted && ++wait < longest_wait);
    if (first.has_ended || last.has_ended || wait == longest_wait) continue;
    uint64_t ticks = last.before - first.before;
    uint64_t doubt = ((first.after - first.before) + (last.after - last.before)) * 1000 / (ticks + 1);
    if (doubt < least_doubt) {
      least_doubt = doubt;
      khz = pvh_timer_khz((last.before + last.after - first.before - first.after) / 2, first.count - last.count);
    }
    // 0.1 %
    if (doubt == 0) break;
  }
  return khz;
}

static uint8_t read_clock(uint8_t number) {
  pvh_out8(0x70, number);
  return pvh_in8(0x71);
}

// The real-time clock; 0 if there is none.
static uint64_t real_time(void) {
  for (int i = 0; i < 100000; i++) {
    // About to change: register A, bit 7. It may have begun to meanwhile, so the seconds are read again.
    if (read_clock(10) >> 7) continue;
    static const uint8_t numbers[] = {0, 2, 4, 7, 8, 9, 11};
    struct pvh_date date;
    for (unsigned i = 0; i < sizeof numbers; i++) (&date.second)[i] = read_clock(numbers[i]);
    if (read_clock(0) == date.second) return pvh_seconds(&date);
  }
  return 0;
}

bool pvh_start_clocks(struct needletail_clock *clock, void *scratch, uint64_t *khz, uint64_t *wall_clock,
                      struct pvh_problem *problem) {
  uint32_t last_leaf = cpuid(0).a;
  // Hypervisors' own leaves, if there is one.
  uint32_t last_hypervisor_leaf = cpuid(1).c >> 31 ? cpuid(0x40000000).a : 0;
  struct leaf leaf;
  *khz = 0;
  if (last_leaf >= 0x15) {
    leaf = cpuid(0x15);
    *khz = pvh_crystal_khz(leaf.c, leaf.b, leaf.a);
  }
  if (!*khz && last_hypervisor_leaf >= 0x40000010) *khz = cpuid(0x40000010).a;
  bool is_kvm = has_kvmclock(last_hypervisor_leaf);
  if (is_kvm) {
    // struct pvclock_wall_clock: version, seconds, nanoseconds.
    volatile uint32_t *wall = scratch;
    pvh_wrmsr(wall_clock_msr, (uint64_t)scratch);
    *wall_clock = wall[1] * (uint64_t)1000000000 + wall[2];
    wall[0] = wall[1] = wall[2] = 0;
    // KVM keeps the page current from here on.
    pvh_wrmsr(system_time_msr, (uint64_t)clock | 1);
    volatile struct needletail_clock *current = clock;
    if (!*khz) *khz = pvh_kvmclock_khz(current->tsc_to_system_mul, current->tsc_shift);
  }
  // The base frequency, rounded to MHz (Intel SDM volume 3, 18.7.3).
  if (!*khz && last_leaf >= 0x16) *khz = (uint64_t)(cpuid(0x16).a & 0xffff) * 1000;
  if (!*khz) *khz = measured_khz();
  if (*khz < 1000 || *khz > 100000000)
    return pvh_fail(problem, "the time-stamp counter's frequency is unknown, and there is no PIT that measures it");
  if (!is_kvm) {
    *wall_clock = real_time() * 1000000000;
    pvh_fill_clock(clock, *khz, pvh_rdtsc());
  }
  // How fast the local APIC's timer goes, measured for a millisecond. What this is wrong by, timers are early or late
  // by.
  volatile uint32_t *initial_count = (volatile uint32_t *)(PVH_LOCAL_APIC + 0x380);
  *initial_count = UINT32_MAX;
  uint64_t start = pvh_rdtsc(), elapsed;
  do elapsed = pvh_rdtsc() - start;
  while (elapsed < *khz);
  uint64_t ticks = UINT32_MAX - initial_count[4];  // the current count
  *initial_count = 0;
  pvh_state()->timer_ratio = (ticks << 32) / elapsed;
  return true;
}

void pvh_fill_seed(uint64_t *words, unsigned count, uint64_t other) {
  bool has_generator = cpuid(1).c >> 30 & 1;
  for (unsigned i = 0; i < count; i++) {
    // Time, of which a little is unknown to others, stirred (SplitMix64; Steele, Lea, Flood, 2014).
    other = (other ^ pvh_rdtsc()) + 0x9e3779b97f4a7c15;
    uint64_t word = (other ^ other >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    word ^= word >> 31;
    // One that is not ready goes without: this is the seed of many words.
    uint64_t random = 0;
    if (has_generator) __asm__ volatile("rdrand %0" : "=r"(random)::"cc");
    word ^= random;
    words[i] = word;
  }
}

#endif

PVH_END
