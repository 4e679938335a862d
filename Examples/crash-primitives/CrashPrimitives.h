// What Swift rightly refuses to do, for the crash example: touch and jump to arbitrary addresses. In C for that reason.
#pragma once
#include <stdint.h>

// So that the fault is in the Swift function that asked for it.
#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE void crash_read(uintptr_t address) { __asm__ volatile("movb (%0), %%al" ::"r"(address) : "rax", "memory"); }
ALWAYS_INLINE void crash_write(uintptr_t address) { __asm__ volatile("movb $1, (%0)" ::"r"(address) : "memory"); }
ALWAYS_INLINE void crash_jump(uintptr_t address) { __asm__ volatile("call *%0" ::"r"(address) : "memory"); }
ALWAYS_INLINE void crash_divide_by_zero(void) { __asm__ volatile("xor %%edx, %%edx; xor %%eax, %%eax; xor %%ecx, %%ecx; div %%ecx" ::: "rax", "rcx", "rdx"); }
ALWAYS_INLINE void crash_privileged_instruction(void) { __asm__ volatile("cli"); }
static inline uintptr_t crash_address_of_text(void) { uintptr_t here; __asm__("lea (%%rip), %0" : "=r"(here)); return here; }
static const int crash_constant = 1;
static inline uintptr_t crash_address_of_constant(void) { return (uintptr_t)&crash_constant; }
