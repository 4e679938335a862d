// What the guest kernel needs from below Swift: trap stubs, the idle call, and the libc symbols that the compiler and the
// Swift runtime emit calls to. Built for Linux (the hosted build), this header declares nothing but what libc provides.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <linux/falloc.h>
#include <linux/if_tun.h>
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

// ioctl(2) codes, which are computed where Swift does not see it (linux/if_tun.h, netdevice(7)).
enum {
  needletail_set_tap = TUNSETIFF,
  needletail_set_tap_header = TUNSETVNETHDRSZ,
  needletail_set_tap_offload = TUNSETOFFLOAD,
  needletail_get_mtu = SIOCGIFMTU,
};

// fallocate(2), which glibc declares for GNU sources only.
extern int fallocate(int descriptor, int mode, long offset, long length);
#endif

// Interrupts taken since the machine started; written by the interrupt stubs, which run in ring 0.
extern volatile uint64_t needletail_interrupt_count;
static inline uint64_t needletail_interrupts_seen(void) { return needletail_interrupt_count; }

// Halts until an interrupt arrives, unless the interrupt count has moved past `seen` already. With a deadline other than 0,
// the local APIC timer interrupts when the time-stamp counter reaches it.
void needletail_idle(uint64_t tsc_deadline, uint64_t seen);

static inline uint64_t needletail_read_tsc(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

// Keeps the compiler from moving memory accesses across: the page is shared with the monitor or with KVM.
static inline void needletail_compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }

// One 32-bit access to a register of the control page, in the one form that the page-fault stub of a machine without a
// monitor knows: the value in EAX, the address in RDI (docs/pvh.md).
static inline void needletail_control_write(uint64_t page, uint32_t offset, uint32_t value) {
  __asm__ volatile("movl %%eax, (%%rdi)" ::"a"(value), "D"(page + offset) : "memory");
}
static inline uint32_t needletail_control_read(uint64_t page, uint32_t offset) {
  uint32_t value;
  __asm__ volatile("movl (%%rdi), %%eax" : "=a"(value) : "D"(page + offset) : "memory");
  return value;
}

// Accesses to a device's registers: each is one plain `mov` of its width, which is all that a monitor need emulate.
static inline uint8_t needletail_register_load8(uint64_t page, uint32_t offset) {
  uint8_t value;
  __asm__ volatile("movb (%1), %0" : "=q"(value) : "r"(page + offset) : "memory");
  return value;
}
static inline uint16_t needletail_register_load16(uint64_t page, uint32_t offset) {
  uint16_t value;
  __asm__ volatile("movw (%1), %0" : "=r"(value) : "r"(page + offset) : "memory");
  return value;
}
static inline uint32_t needletail_register_load32(uint64_t page, uint32_t offset) {
  uint32_t value;
  __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(page + offset) : "memory");
  return value;
}
static inline void needletail_register_store32(uint64_t page, uint32_t offset, uint32_t value) {
  __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(page + offset) : "memory");
}

// The application's entry, emitted by the Swift compiler for `@main`.
int main(int argc, char **argv);
