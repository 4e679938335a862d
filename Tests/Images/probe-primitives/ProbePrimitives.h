// What the probe image asks the processor for and Swift has no words for: single instructions, and the linker's addresses.
#pragma once
#include <stdint.h>

// MARK: Reading the processor

static inline uint64_t probe_cs(void) { uint64_t value; __asm__ volatile("mov %%cs, %0" : "=r"(value)); return value & 0xffff; }
static inline uint64_t probe_ss(void) { uint64_t value; __asm__ volatile("mov %%ss, %0" : "=r"(value)); return value & 0xffff; }
static inline uint64_t probe_flags(void) { uint64_t value; __asm__ volatile("pushfq; pop %0" : "=r"(value)); return value; }
static inline uint64_t probe_fs_word(uint64_t offset) { uint64_t value; __asm__ volatile("mov %%fs:(%1), %0" : "=r"(value) : "r"(offset)); return value; }
static inline uint64_t probe_stack_pointer(void) { uint64_t value; __asm__ volatile("mov %%rsp, %0" : "=r"(value)); return value; }

struct probe_cpuid { uint32_t eax, ebx, ecx, edx; };
static inline struct probe_cpuid probe_cpuid(uint32_t leaf, uint32_t index) {
  struct probe_cpuid result;
  __asm__ volatile("cpuid" : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx) : "a"(leaf), "c"(index));
  return result;
}
static inline uint64_t probe_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// MARK: Addresses

// Of the trap stubs (GuestKernel's traps.S).
extern const char needletail_trap_table[];
static inline uintptr_t probe_text(void) { uintptr_t here; __asm__("lea (%%rip), %0" : "=r"(here)); return here; }
static inline uintptr_t probe_trap_table(void) { return (uintptr_t)needletail_trap_table; }
extern volatile uint64_t needletail_interrupt_count;
static inline uintptr_t probe_data(void) { return (uintptr_t)&needletail_interrupt_count; }
static const uint64_t probe_constant_value = 0xc3c3c3c3c3c3c3c3;  // RET, if it were executable
static inline uintptr_t probe_constant(void) { return (uintptr_t)&probe_constant_value; }
// A constant that holds an address is in .data.rel.ro, which the monitor relocates before the guest runs.
static const void *const probe_relocated_value[] = {&probe_constant_value, probe_relocated_value};
static inline uintptr_t probe_relocated_constant(void) {
  const void *const *address = probe_relocated_value;
  __asm__ volatile("" : "+r"(address));
  return (uintptr_t)address;
}

// MARK: Accesses of every size

static inline void probe_write32(uintptr_t address) { __asm__ volatile("movl $1, (%0)" ::"r"(address) : "memory"); }
static inline void probe_write64(uintptr_t address) { __asm__ volatile("movq $1, (%0)" ::"r"(address) : "memory"); }

// Stores of every width to a device's registers: one plain `mov` each.
static inline void probe_store8(uint64_t address, uint8_t value) { __asm__ volatile("movb %0, (%1)" ::"q"(value), "r"(address) : "memory"); }
static inline void probe_store16(uint64_t address, uint16_t value) { __asm__ volatile("movw %0, (%1)" ::"r"(value), "r"(address) : "memory"); }
static inline void probe_store32(uint64_t address, uint32_t value) { __asm__ volatile("movl %0, (%1)" ::"r"(value), "r"(address) : "memory"); }
static inline void probe_store64(uint64_t address, uint64_t value) { __asm__ volatile("movq %0, (%1)" ::"r"(value), "r"(address) : "memory"); }

// MARK: Instructions that ring 3 may not execute, or that must not get it anywhere

static inline void probe_cli(void) { __asm__ volatile("cli"); }
static inline void probe_sti(void) { __asm__ volatile("sti"); }
static inline void probe_in(void) { __asm__ volatile("inb $0x60, %%al" ::: "rax"); }
static inline void probe_out(void) { __asm__ volatile("outb %%al, $0x80" ::"a"(0)); }
static inline void probe_mov_from_cr0(void) { __asm__ volatile("mov %%cr0, %%rax" ::: "rax"); }
static inline void probe_mov_to_cr0(void) { __asm__ volatile("mov %0, %%cr0" ::"r"(0x80000033ul)); }
static inline void probe_mov_to_cr3(void) { __asm__ volatile("mov %0, %%cr3" ::"r"(0ul)); }
static inline void probe_mov_to_cr4(void) { __asm__ volatile("mov %0, %%cr4" ::"r"(0x620ul)); }
static inline void probe_rdmsr(void) { __asm__ volatile("rdmsr" ::"c"(0xc0000080) : "rax", "rdx"); }
static inline void probe_wrmsr(void) { __asm__ volatile("wrmsr" ::"c"(0xc0000080), "a"(0), "d"(0)); }
static inline void probe_lgdt(void) { uint8_t table[10] = {0}; __asm__ volatile("lgdt %0" ::"m"(table)); }
static inline void probe_lidt(void) { uint8_t table[10] = {0}; __asm__ volatile("lidt %0" ::"m"(table)); }
static inline void probe_ltr(void) { __asm__ volatile("ltr %%ax" ::"a"(0)); }
static inline void probe_invlpg(void) { __asm__ volatile("invlpg (%0)" ::"r"(0x200000ul)); }
static inline void probe_wbinvd(void) { __asm__ volatile("wbinvd"); }
static inline void probe_clts(void) { __asm__ volatile("clts"); }
static inline void probe_int_0x20(void) { __asm__ volatile("int $0x20"); }
static inline void probe_int_0x80(void) { __asm__ volatile("int $0x80" ::"a"(20)); }
static inline void probe_int3(void) { __asm__ volatile("int3"); }
// A return to the selector of ring 0's code (0x08), as if an interrupt had come from there.
static inline void probe_iret_to_ring_0(void) {
  __asm__ volatile("mov %%rsp, %%rax; push $0x10; push %%rax; pushfq; push $0x08; lea 1f(%%rip), %%rax; push %%rax; iretq; 1:" ::: "rax", "memory");
}
static inline void probe_load_kernel_segment(void) { __asm__ volatile("mov %%ax, %%ss" ::"a"(0x08)); }
static inline void probe_xsetbv(void) { __asm__ volatile("xsetbv" ::"a"(1), "d"(0), "c"(0)); }
static inline void probe_non_canonical_read(void) { __asm__ volatile("movb (%0), %%al" ::"r"(0x8000000000000000ul) : "rax"); }
static inline void probe_rdpmc(void) { __asm__ volatile("rdpmc" ::"c"(0) : "rax", "rdx"); }
static inline void probe_swapgs(void) { __asm__ volatile("swapgs"); }
static inline void probe_sysret(void) { __asm__ volatile("sysretq" ::: "rcx", "r11"); }
static inline void probe_syscall(void) { __asm__ volatile("syscall" ::"a"(39) : "rcx", "r11", "memory"); }

// MARK: Vector registers

// Sixteen registers hold sixteen different values while the time-stamp counter advances by `ticks`, which is long enough for
// the host to interrupt the guest. Written as one statement so that the compiler has no chance to use one in between.
// Returns how many bytes are different afterwards.
#define PROBE_EACH_REGISTER(OPERATION) \
  OPERATION(0) OPERATION(1) OPERATION(2) OPERATION(3) OPERATION(4) OPERATION(5) OPERATION(6) OPERATION(7) \
  OPERATION(8) OPERATION(9) OPERATION(10) OPERATION(11) OPERATION(12) OPERATION(13) OPERATION(14) OPERATION(15)
#define PROBE_SPIN \
  "rdtsc; shl $32, %%rdx; or %%rdx, %%rax; mov %%rax, %%rcx; add %[ticks], %%rcx;" \
  "1: rdtsc; shl $32, %%rdx; or %%rdx, %%rax; cmp %%rcx, %%rax; jb 1b;"
#define PROBE_CLOBBERS \
  "rax", "rcx", "rdx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
  "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static inline int probe_differences(const uint8_t *first, const uint8_t *second, int count) {
  int differences = 0;
  for (int i = 0; i < count; i++) differences += first[i] != second[i];
  return differences;
}
static inline void probe_fill(uint8_t *bytes, int count) {
  for (int i = 0; i < count; i++) bytes[i] = (uint8_t)(i * 37 + 11);
}

#define PROBE_LOAD_SSE(n) "movdqu " #n "*16(%[from]), %%xmm" #n ";"
#define PROBE_STORE_SSE(n) "movdqu %%xmm" #n ", " #n "*16(%[to]);"
static inline int probe_sse_state(uint64_t ticks) {
  uint8_t from[256], to[256];
  probe_fill(from, sizeof from);
  __asm__ volatile(PROBE_EACH_REGISTER(PROBE_LOAD_SSE) PROBE_SPIN PROBE_EACH_REGISTER(PROBE_STORE_SSE)
                   ::[from] "r"(from), [to] "r"(to), [ticks] "r"(ticks) : PROBE_CLOBBERS);
  return probe_differences(from, to, sizeof to);
}

#define PROBE_LOAD_AVX(n) "vmovdqu " #n "*32(%[from]), %%ymm" #n ";"
#define PROBE_STORE_AVX(n) "vmovdqu %%ymm" #n ", " #n "*32(%[to]);"
static inline int probe_avx_state(uint64_t ticks) {
  uint8_t from[512], to[512];
  probe_fill(from, sizeof from);
  __asm__ volatile(PROBE_EACH_REGISTER(PROBE_LOAD_AVX) PROBE_SPIN PROBE_EACH_REGISTER(PROBE_STORE_AVX) "vzeroupper"
                   ::[from] "r"(from), [to] "r"(to), [ticks] "r"(ticks) : PROBE_CLOBBERS);
  return probe_differences(from, to, sizeof to);
}

// The upper halves alone: an image compiled without AVX leaves them alone, so they are to survive even a sleep.
#define PROBE_STORE_UPPER(n) "vextractf128 $1, %%ymm" #n ", " #n "*16(%[to]);"
static inline void probe_avx_load(void) {
  uint8_t from[512];
  probe_fill(from, sizeof from);
  __asm__ volatile(PROBE_EACH_REGISTER(PROBE_LOAD_AVX) ::[from] "r"(from) : PROBE_CLOBBERS);
}
static inline int probe_avx_upper_differences(void) {
  uint8_t from[512], to[256];
  __asm__ volatile(PROBE_EACH_REGISTER(PROBE_STORE_UPPER) "vzeroupper" ::[to] "r"(to) : PROBE_CLOBBERS);
  probe_fill(from, sizeof from);
  int differences = 0;
  for (int i = 0; i < 16; i++) differences += probe_differences(from + 32 * i + 16, to + 16 * i, 16);
  return differences;
}
