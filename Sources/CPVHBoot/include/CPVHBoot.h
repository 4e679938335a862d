// The PVH door: an image without a monitor (docs/pvh.md). What of it needs no machine is declared here, for its unit
// tests.
//
// In C because it runs in ring 0, where SSE is fatal on some KVM back ends and Swift cannot be told to do without; and
// because every image carries it: the same in Embedded Swift was three times as large.
#pragma once

#include "../../CMachineABI/machine_abi.h"
#include "../../CMachineABI/virtio_abi.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Text, with no heap to keep it in

// Where words go that a person shall read.
struct pvh_output {
  void (*put)(struct pvh_output *output, char character);
};

// A piece of text from outside. It has no terminator.
struct pvh_word {
  const char *start;
  size_t count;
};

// Writes `format`, in which %s is a string, %w a struct pvh_word * (control characters replaced, cut to 128 bytes), %d
// a uint64_t in decimal and %x one in hexadecimal, with 0x.
void pvh_format(struct pvh_output *output, const char *format, ...);

// Why the application cannot be entered: one line, cut to what fits.
struct pvh_problem {
  struct pvh_output output;
  size_t count;
  char text[320];
};
void pvh_problem_init(struct pvh_problem *problem);

// MARK: Words

// Takes the next word between spaces off the front of `rest`; false at its end.
bool pvh_next_word(struct pvh_word *rest, struct pvh_word *word);
// What follows `prefix` in `word`; false if it does not begin with it.
bool pvh_drop_prefix(const struct pvh_word *word, const char *prefix, struct pvh_word *rest);
// A decimal number or, behind 0x, a hexadecimal one; with `allows_unit`, K, M or G may follow. False if it is anything
// else or does not fit.
bool pvh_number(const struct pvh_word *word, bool allows_unit, uint64_t *number);

// MARK: The loader's structures (Xen's public/arch-x86/hvm/start_info.h)

#define PVH_START_MAGIC 0x336ec578
// E820's type of memory that may be used.
#define PVH_MEMORY_USABLE 1

struct pvh_start_info {
  uint32_t magic, version, flags, module_count;
  uint64_t modules, command_line, acpi;
  uint64_t memory_map;  // from version 1 on
  uint32_t memory_map_count, reserved;
};
struct pvh_memory_range {
  uint64_t start, size;
  uint32_t type, reserved;
};

// Whether the application can be entered with what the loader says; nothing behind the structures' addresses is looked
// at.
bool pvh_check_start(const struct pvh_start_info *start, struct pvh_problem *problem);
// The end of the memory that begins with the image: a whole number of pages, up to where something else comes.
//
// image_start, image_end: whole pages. limit: where the machine's own registers begin; nothing from there on counts.
// Returns 0 if the image is not in memory.
uint64_t pvh_memory_end(const struct pvh_memory_range *map, uint32_t count, uint64_t image_start, uint64_t image_end,
                        uint64_t limit);

// MARK: The command line

struct pvh_options {
  uint32_t exit_port;  // QEMU's isa-debug-exit; 0 if there is none
  bool uses_levels;    // lines of the I/O APIC are levels, not edges
  struct pvh_word image_name;
};

// Reads the words that begin with "needletail.".
bool pvh_read_options(struct pvh_word line, struct pvh_options *options, struct pvh_problem *problem);

// Writes the application's arguments, zero-terminated, one behind the other: the image's name, then the words behind
// "--" that are not ours. Returns how many bytes they take; `arguments` may be null, to find that out.
size_t pvh_write_arguments(struct pvh_word line, const struct pvh_options *options, char *arguments, uint64_t *count);

// A device as Linux and Firecracker have it on the command line.
struct pvh_device_word {
  uint64_t address;
  uint32_t line;  // of the I/O APIC
};
// Reads virtio_mmio.device=SIZE@ADDRESS:IRQ. Returns 1, 0 if the word is no device's, and -1 if it is wrong.
int pvh_read_device(const struct pvh_word *word, struct pvh_device_word *device, struct pvh_problem *problem);

// MARK: Devices

// As many interrupt lines as vectors from 32 on: the first is the local APIC's timer, the last its spurious interrupt.
#define PVH_LINE_COUNT 16
#define PVH_DEVICE_LINE_LIMIT (PVH_LINE_COUNT - 2)

// The lines of the I/O APIC that are listened to, in the order of their vectors, from the first device's on.
struct pvh_lines {
  uint32_t count;
  uint8_t line[PVH_DEVICE_LINE_LIMIT];
};

// Reads a register of a device, whose window is at `address`.
typedef uint32_t (*pvh_read_register)(uint64_t address);

// Matches the devices that the image declares with those that the command line names.
//
// devices: one for each that is declared, in the image's order, with name and kind; gets the rest.
// serial_input: where a console is read from that no device is; 0 if there is no serial port.
// line_limit: how many lines the I/O APIC has.
bool pvh_match_devices(struct pvh_word line, struct needletail_device *devices, uint32_t count, pvh_read_register read,
                       uint64_t serial_input, uint32_t line_limit, struct pvh_lines *lines,
                       struct pvh_problem *problem);

// MARK: Where everything goes

struct pvh_demands {
  uint64_t memory_start, memory_end;  // from the image on, whole pages
  uint64_t image_end;                 // of the image and of the door, a page
  uint64_t stack_size, minimum_memory;
  uint64_t thread_locals_size, thread_locals_alignment;
  uint64_t boot_info_size;
  uint32_t device_count;
};

// Behind the image, from the lowest address up: page tables, which are not mapped, a gap, stack with thread-local
// storage, shared page, boot information, heap.
struct pvh_layout {
  uint64_t page_tables, page_table_count;
  uint64_t stack_base, stack_top, thread_locals, thread_control_block;
  uint64_t shared_page, boot_info, heap, end;
};
bool pvh_lay_out(const struct pvh_demands *demands, struct pvh_layout *layout, struct pvh_problem *problem);

// MARK: Page tables: four levels, every address mapped to itself (Intel SDM volume 3, 4.5)

#define PVH_PAGE_WRITABLE 0x2
#define PVH_PAGE_USER 0x4
#define PVH_PAGE_NO_EXECUTE 0x8000000000000000ull

struct pvh_page_tables {
  uint64_t *tables;  // zeroed, where the processor finds them at `address`
  uint64_t address;
  uint64_t capacity, count;  // the root counts
};
// Maps whole pages, by large ones wherever one fits; a page that is mapped already stays as it is. If there are too few
// tables, `count` goes beyond `capacity`, and nothing is mapped.
void pvh_map(struct pvh_page_tables *tables, uint64_t start, uint64_t end, uint64_t access);

// MARK: Clocks

// Frequencies in kHz, 0 if the hardware says nothing that makes sense.
// From CPUID's leaf 0x15: crystal × numerator / denominator (Intel SDM volume 3, 18.7.3).
uint64_t pvh_crystal_khz(uint32_t crystal, uint32_t numerator, uint32_t denominator);
// From kvmclock's factors: nanoseconds = ticks × 2^shift × multiplier / 2^32 (KVM's x86 MSR documentation).
uint64_t pvh_kvmclock_khz(uint32_t multiplier, int8_t shift);
// From ticks that went by with ticks of the interval timer, of 1193182 Hz.
uint64_t pvh_timer_khz(uint64_t ticks, uint64_t timer_ticks);
// Fills a clock page from which a counter of this frequency reads 0 at `time_stamp`.
void pvh_fill_clock(struct needletail_clock *clock, uint64_t khz, uint64_t time_stamp);

// A date and time as the real-time clock has it (Motorola MC146818A, table 3), in this century.
struct pvh_date {
  uint8_t second, minute, hour, day, month, year;
  uint8_t format;  // register B: bit 1 is 24-hour mode, bit 2 is binary
};
// Seconds since 1970-01-01 00:00 UTC, the clock running in that zone, in 24-hour mode and binary-coded decimal; 0 if it
// is no such date.
uint64_t pvh_seconds(const struct pvh_date *date);
