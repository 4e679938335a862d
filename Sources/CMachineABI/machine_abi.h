// The boot contract, version 2: everything that a monitor and an image must agree on. docs/boot-contract.md is its reference.
//
// This header is the single definition: the monitor and the guest kernel import it into Swift, the trap stubs and the
// linker script's note follow its constants. It may be included from assembly.
#pragma once

// The contract's version. An image states the one it was built for; a monitor refuses every other.
#define NEEDLETAIL_CONTRACT_VERSION 2

// MARK: The ELF note (owner "Needletail"), whose descriptor is struct needletail_image_note.
#define NEEDLETAIL_NOTE_OWNER "Needletail"
#define NEEDLETAIL_NOTE_CONTRACT 1
// One device that the image declares; as many notes as devices. The descriptor is struct needletail_device_declaration.
#define NEEDLETAIL_NOTE_DEVICE 2
// In a PT_LOAD's p_flags, among the bits that ELF leaves to operating systems: the segment is for loaders that know nothing
// of this contract (docs/pvh.md), and no monitor loads it.
#define NEEDLETAIL_SEGMENT_FOR_OTHER_LOADERS 0x00100000

// MARK: Interrupt vectors. The image's trap table has one stub of NEEDLETAIL_TRAP_STUB_SIZE bytes for each.
#define NEEDLETAIL_TRAP_STUB_SIZE 16
#define NEEDLETAIL_TRAP_STUB_COUNT 48
// Vectors below 32 are the processor's exceptions (Intel SDM volume 3, 6.3.1).
#define NEEDLETAIL_FIRST_INTERRUPT_VECTOR 32
// The local APIC timer, in TSC-deadline mode.
#define NEEDLETAIL_TIMER_VECTOR 32
// Devices, which may share them.
#define NEEDLETAIL_FIRST_DEVICE_VECTOR 33
#define NEEDLETAIL_DEVICE_VECTOR_COUNT 15

// MARK: Devices: standard virtio over MMIO, transport version 2, split queues (virtio_abi.h). Each device has one page of
// registers; the pages lie below the control page.
#define NEEDLETAIL_DEVICE_NAME_SIZE 32
// How many devices an image may declare.
#define NEEDLETAIL_DEVICE_LIMIT 64
// The device is as a reset leaves it: Status, DeviceFeaturesSel and QueueSel are 0. Its driver need not reset it first.
#define NEEDLETAIL_DEVICE_IS_RESET 1
// Its interrupts are messages: the driver need not write InterruptACK.
#define NEEDLETAIL_DEVICE_SENDS_MESSAGES 2
// Its registers may be written through the shared page's posted writes.
#define NEEDLETAIL_DEVICE_TAKES_POSTED_WRITES 4
// Not virtio, but a serial port: what arrives is read from NEEDLETAIL_CONTROL_INPUT. Only of kind console, and only where
// there is no monitor (docs/pvh.md).
#define NEEDLETAIL_DEVICE_IS_SERIAL 8

// MARK: The control page: one MMIO page, 32-bit writes only; reads are undefined.
// It lies in the page below the image's first one, so that position-independent trap stubs reach it without a register.
#define NEEDLETAIL_CONTROL_PAGE_DISTANCE 0x1000
// Ends the machine: the value's low eight bits are the exit status. The console is drained first.
#define NEEDLETAIL_CONTROL_EXIT 0x00
// Ends the machine: an exception of this vector reached its stub, whose stack still holds the processor's frame. A panic
// message in the shared page, if there is one, says why.
#define NEEDLETAIL_CONTROL_TRAP 0x04
// Writes the console buffer out and sets its length to zero.
#define NEEDLETAIL_CONTROL_CONSOLE 0x08
// Read, not written, and only by a driver of a device with NEEDLETAIL_DEVICE_IS_SERIAL: the next byte that has arrived, or
// NEEDLETAIL_NO_INPUT.
#define NEEDLETAIL_CONTROL_INPUT 0x0c
#define NEEDLETAIL_NO_INPUT 0xffffffff

// MARK: The shared page: struct needletail_shared_page, the panic message, posted writes, the console buffer.
#define NEEDLETAIL_SHARED_PAGE_SIZE 4096
#define NEEDLETAIL_MILESTONE_COUNT 4
#define NEEDLETAIL_PANIC_MESSAGE_OFFSET 48
#define NEEDLETAIL_PANIC_MESSAGE_SIZE 464
#define NEEDLETAIL_POSTED_WRITES_OFFSET 512
#define NEEDLETAIL_POSTED_WRITE_LIMIT 32
#define NEEDLETAIL_CONSOLE_BUFFER_OFFSET 768
#define NEEDLETAIL_CONSOLE_BUFFER_SIZE 3328

#define NEEDLETAIL_BOOT_INFO_MAGIC 0x4c54444e  // "NDTL"
#define NEEDLETAIL_SEED_WORDS 8

#ifndef __ASSEMBLER__

#include <stddef.h>
#include <stdint.h>

// The note's descriptor. Addresses are offsets from the image's lowest segment, so they need no relocation.
struct needletail_image_note {
  uint32_t contract_version;
  uint32_t flags;           // 0: none is defined
  uint64_t trap_table;      // 16-byte aligned, NEEDLETAIL_TRAP_STUB_COUNT stubs, inside a supervisor text segment
  uint64_t minimum_memory;  // bytes
  uint64_t stack_size;      // bytes, a multiple of 4096
};

// What KVM keeps in a kvmclock page (struct pvclock_vcpu_time_info; KVM's x86 MSR documentation, MSR_KVM_SYSTEM_TIME_NEW).
struct needletail_clock {
  uint32_t version;  // odd while an update is under way
  uint32_t pad0;
  uint64_t tsc_timestamp;
  uint64_t system_time;  // nanoseconds at tsc_timestamp
  uint32_t tsc_to_system_mul;
  int8_t tsc_shift;
  uint8_t flags;
  uint8_t pad[2];
};

// A device that an image declares. Names are unique within an image: 1 to 31 of A-Z a-z 0-9 . _ -
struct needletail_device_declaration {
  uint32_t kind;   // the virtio device ID (virtio-1.2 section 5)
  uint32_t flags;  // must be 0
  char name[NEEDLETAIL_DEVICE_NAME_SIZE];  // NUL-terminated, zeros behind it
};

// One attached device.
struct needletail_device {
  char name[NEEDLETAIL_DEVICE_NAME_SIZE];  // NUL-terminated
  uint32_t kind;                           // the virtio device ID (virtio-1.2 section 5)
  uint32_t vector;
  uint64_t registers;  // address of its virtio-mmio register page
  uint32_t flags;      // NEEDLETAIL_DEVICE_...
  uint32_t high_features;  // the features from 32 to 63 that it offers; 0: its registers tell
};

// The page that RDI names at entry. It is read-only to the guest.
struct needletail_boot_info {
  uint32_t magic;
  uint32_t version;
  uint32_t size;  // of this structure; a reader must not look past it
  uint32_t device_count;
  uint64_t devices;  // address of an array of struct needletail_device
  uint64_t image_base;
  uint64_t image_size;
  uint64_t heap_base;  // zeroed, page aligned
  uint64_t heap_size;
  uint64_t stack_base;  // lowest usable address; the page below is unmapped
  uint64_t stack_size;
  uint64_t memory_size;  // all writable memory of the machine, in bytes
  uint64_t control_page;
  uint64_t shared_page;
  uint64_t clock;         // address of a struct needletail_clock
  uint64_t tsc_khz;       // frequency of RDTSC and of the TSC-deadline timer
  uint64_t wall_clock;    // nanoseconds since 1970-01-01 00:00 UTC when the clock read 0
  uint64_t stack_canary;  // also at FS:0x28
  uint64_t seed[NEEDLETAIL_SEED_WORDS];
  uint64_t arguments;  // address of argument_count NUL-terminated strings, one behind the other; the image's name first
  uint64_t arguments_size;  // bytes, terminators included
  uint64_t argument_count;
};

// Milestones: RDTSC values that the guest leaves for `--report`; 0 is "not reached".
enum needletail_milestone {
  needletail_milestone_entry = 0,  // the first instruction of the image
  needletail_milestone_main = 1,   // the application's main
  needletail_milestone_exit = 2,   // the exit request
};

// The start of the page through which a guest talks to its monitor. Writable by the guest: a monitor must read each field
// once. The buffers behind it are not members, because Swift would see each as a tuple of thousands of elements.
struct needletail_shared_page {
  uint64_t milestones[NEEDLETAIL_MILESTONE_COUNT];
  uint32_t console_length;  // bytes waiting in the console buffer
  uint32_t panic_length;    // bytes of the panic message, UTF-8
  uint32_t posted_count;    // posted writes that wait
  uint32_t reserved;
};

// A write to a device's register that need not take effect before the next store to a register page: the monitor carries
// out all that wait, in their order, ahead of that store. It spares the guest an exit for each.
struct needletail_posted_write {
  uint32_t offset;  // from the first device's register page
  uint32_t value;
};

static inline char *needletail_shared_panic_message(struct needletail_shared_page *page) {
  return (char *)page + NEEDLETAIL_PANIC_MESSAGE_OFFSET;
}
static inline struct needletail_posted_write *needletail_shared_posted_writes(struct needletail_shared_page *page) {
  return (struct needletail_posted_write *)((char *)page + NEEDLETAIL_POSTED_WRITES_OFFSET);
}
static inline char *needletail_shared_console(struct needletail_shared_page *page) {
  return (char *)page + NEEDLETAIL_CONSOLE_BUFFER_OFFSET;
}

_Static_assert(sizeof(struct needletail_shared_page) == NEEDLETAIL_PANIC_MESSAGE_OFFSET, "the message follows");
_Static_assert(
    NEEDLETAIL_PANIC_MESSAGE_OFFSET + NEEDLETAIL_PANIC_MESSAGE_SIZE == NEEDLETAIL_POSTED_WRITES_OFFSET &&
        NEEDLETAIL_POSTED_WRITES_OFFSET + NEEDLETAIL_POSTED_WRITE_LIMIT * sizeof(struct needletail_posted_write) ==
            NEEDLETAIL_CONSOLE_BUFFER_OFFSET &&
        NEEDLETAIL_CONSOLE_BUFFER_OFFSET + NEEDLETAIL_CONSOLE_BUFFER_SIZE == NEEDLETAIL_SHARED_PAGE_SIZE,
    "the shared page is one page");
_Static_assert(sizeof(struct needletail_clock) == 32, "KVM writes 32 bytes");
_Static_assert(sizeof(struct needletail_image_note) == 32, "the linker script writes 32 bytes");
_Static_assert(sizeof(struct needletail_device) == 56, "a device entry has no padding");
_Static_assert(sizeof(struct needletail_device_declaration) == 40, "a declaration has no padding");

#endif
