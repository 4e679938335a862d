// What the assembly and the C of the PVH door share: the state page, and where the machine's own registers are.
//
// It may be included from assembly.
#pragma once

// MARK: The state page: ring 0's stack, its tables, and what its stubs need to know.
// The stack is at the bottom and grows down, into the one that the door began with.
#define PVH_STATE_STACK_TOP 0x800
#define PVH_STATE_TASK 0x800
#define PVH_STATE_SEGMENTS 0x880
#define PVH_STATE_GATES 0x900
// struct pvh_state, behind the 48 gates, and its fields as the stubs reach them.
#define PVH_STATE_VARIABLES 0xc00
#define PVH_PHASE (PVH_STATE_VARIABLES + 0)
#define PVH_MASKED_LINES (PVH_STATE_VARIABLES + 4)
#define PVH_TIMER_RATIO (PVH_STATE_VARIABLES + 8)
#define PVH_SHARED_PAGE (PVH_STATE_VARIABLES + 16)
#define PVH_EXIT_PORT (PVH_STATE_VARIABLES + 24)
#define PVH_LINES (PVH_STATE_VARIABLES + 32)

// What to make of an exception: it is the door's own, the application's, or the report's about one.
#define PVH_PHASE_BOOTING 0
#define PVH_PHASE_RUNNING 1
#define PVH_PHASE_REPORTING 2

// The door's own stubs are smaller than those of the contract's trap table.
#define PVH_TRAP_STUB_SIZE 4
#define PVH_TRAP_STUBS_BEFORE 24

// Among the vectors from 32 on.
#define PVH_TIMER_LINE 0
#define PVH_SPURIOUS_LINE 15

// MARK: The local APIC and the I/O APIC, where every PC has them after a reset (Intel SDM volume 3, 11.4.1; 82093AA,
// 3.0).
#define PVH_LOCAL_APIC 0xfee00000
#define PVH_IO_APIC 0xfec00000
#define PVH_IO_APIC_WINDOW 0x10
// In a redirection entry (82093AA, 3.2.4).
#define PVH_REDIRECTION_LEVEL 0x8000
#define PVH_REDIRECTION_MASKED 0x10000

// MARK: The 8250 UART at COM1 (16550D data sheet, 8.0).
#define PVH_SERIAL_PORT 0x3f8
#define PVH_SERIAL_LINE_STATUS (PVH_SERIAL_PORT + 5)
#define PVH_SERIAL_LINE 4  // of the I/O APIC
#define PVH_SERIAL_DATA_READY 0x01
#define PVH_SERIAL_CAN_SEND 0x20

#ifndef __ASSEMBLER__

#include "CPVHBoot.h"

// Ring 0 keeps to the general registers, and to few bytes. Functions between these two lines do.
#define PVH_BEGIN \
  _Pragma("clang attribute push(__attribute__((minsize)), apply_to = function)") PVH_GENERAL_REGISTERS
#define PVH_END _Pragma("clang attribute pop") _Pragma("clang attribute pop")
#define PVH_GENERAL_REGISTERS \
  _Pragma("clang attribute push(__attribute__((target(\"general-regs-only\"))), apply_to = function)")

enum { pvh_page_size = 4096 };

// A line of the I/O APIC that somebody listens to.
struct pvh_line {
  uint32_t redirection;  // the register number of its redirection entry's low half
  uint32_t entry;        // what is in it while the line is not masked
};

struct pvh_state {
  uint32_t phase;
  uint32_t masked_lines;  // level-triggered lines that have interrupted and wait for the next idle call, as a bit each
  uint64_t timer_ratio;   // ticks of the local APIC's timer in one of the time-stamp counter, times 2^32
  uint64_t shared_page;
  uint32_t exit_port;
  uint32_t reserved;
  struct pvh_line lines[PVH_LINE_COUNT];
  struct pvh_output serial;
};
_Static_assert(PVH_STATE_VARIABLES + sizeof(struct pvh_state) <= pvh_page_size, "the state is one page");

// The registers at an exception, as the stubs push them; the last ones are the processor's own frame.
struct pvh_frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

// With what the application is entered.
struct pvh_entry {
  uint64_t page_tables, entry, stack, boot_info, thread_control_block;
};

// Writes the reason at the end of `problem` and returns false.
#define pvh_fail(problem, ...) (pvh_format(&(problem)->output, __VA_ARGS__), false)

bool pvh_is_equal(const struct pvh_word *word, const char *text, size_t count);

// MARK: The machine; not in the hosted build, which nobody boots
#if !__STDC_HOSTED__

extern char pvh_state_page[];
// Places that the linker script knows: the image, its control page, and the door's code and data behind it.
extern char needletail_image_start[], needletail_control_page[], pvh_start[], pvh_text_end[], pvh_data_start[],
    needletail_pvh_end[];

static inline struct pvh_state *pvh_state(void) { return (struct pvh_state *)(pvh_state_page + PVH_STATE_VARIABLES); }

// Enters the application.
_Noreturn void pvh_enter(const struct pvh_entry *entry);
// Ends the machine, by isa-debug-exit or a reset.
_Noreturn void pvh_stop(uint8_t status);
// Ends the machine; a status that nothing carries outside is told in words.
_Noreturn void pvh_end(uint8_t status);

struct pvh_output *pvh_serial(void);
bool pvh_serial_is_there(void);
void pvh_serial_init(void);
void pvh_serial_enable_input(void);
bool pvh_enable_local_apic(struct pvh_problem *problem);
uint32_t pvh_io_apic_line_count(void);
void pvh_route(const struct pvh_lines *lines, bool uses_levels);
// Fills the clock page, and finds the counter's frequency and the time of day at which the clock read 0.
bool pvh_start_clocks(struct needletail_clock *clock, void *scratch, uint64_t *khz, uint64_t *wall_clock,
                      struct pvh_problem *problem);
uint32_t pvh_load_register(uint64_t address);
void pvh_fill_seed(uint64_t *words, unsigned count, uint64_t other);

static inline uint8_t pvh_in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline void pvh_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline uint64_t pvh_rdmsr(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}
static inline void pvh_wrmsr(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" ::"a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(number) : "memory");
}
static inline uint64_t pvh_rdtsc(void) {
  uint32_t low, high;
  // Not ahead of what comes before it.
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}

#endif
#endif
