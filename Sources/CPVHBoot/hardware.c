// The serial port, the interrupt controllers, and the end.
#include "door.h"

#if !__STDC_HOSTED__

PVH_BEGIN

bool pvh_serial_is_there(void) {
  // Nobody drives the bus where nothing is.
  return pvh_in8(PVH_SERIAL_LINE_STATUS) != 0xff;
}

static void put_serial(struct pvh_output *output, char character) {
  (void)output;
  while (!(pvh_in8(PVH_SERIAL_LINE_STATUS) & PVH_SERIAL_CAN_SEND));
  pvh_out8(PVH_SERIAL_PORT, (uint8_t)character);
}

struct pvh_output *pvh_serial(void) {
  // Filled in at each use: initialised, it would have to be relocated.
  pvh_state()->serial.put = put_serial;
  return &pvh_state()->serial;
}

void pvh_serial_init(void) {
  // No interrupts; eight bits, no parity; DTR, RTS, and OUT2, which on a PC lets interrupts through. The FIFOs stay as
  // they are, because turning them on loses what has arrived.
  pvh_out8(PVH_SERIAL_PORT + 1, 0);
  pvh_out8(PVH_SERIAL_PORT + 3, 3);
  pvh_out8(PVH_SERIAL_PORT + 4, 0xb);
}

void pvh_serial_enable_input(void) { pvh_out8(PVH_SERIAL_PORT + 1, 1); }

uint32_t pvh_load_register(uint64_t address) { return *(volatile uint32_t *)address; }

bool pvh_enable_local_apic(struct pvh_problem *problem) {
  // IA32_APIC_BASE: the address, enabled, not in x2APIC mode.
  if ((pvh_rdmsr(0x1b) & 0xfffffc00) != (PVH_LOCAL_APIC | 0x800))
    return pvh_fail(problem, "the processor has no local APIC at %x, in xAPIC mode", (uint64_t)PVH_LOCAL_APIC);
  enum { masked = 1 << 16 };
  // Intel SDM volume 3, table 11-1: spurious interrupts' vector and enabled; LINT0; LINT1; task priority; the timer's
  // divisor, 1; the timer, one shot.
  volatile char *apic = (volatile char *)PVH_LOCAL_APIC;
  *(volatile uint32_t *)(apic + 0xf0) = 0x100 | (NEEDLETAIL_FIRST_INTERRUPT_VECTOR + PVH_SPURIOUS_LINE);
  *(volatile uint32_t *)(apic + 0x350) = masked;
  *(volatile uint32_t *)(apic + 0x360) = masked;
  *(volatile uint32_t *)(apic + 0x80) = 0;
  *(volatile uint32_t *)(apic + 0x3e0) = 0xb;
  *(volatile uint32_t *)(apic + 0x320) = NEEDLETAIL_TIMER_VECTOR;
  // The controllers of the time before, silenced.
  pvh_out8(0x21, 0xff);
  pvh_out8(0xa1, 0xff);
  return true;
}

// The I/O APIC: a register's number, and 16 bytes behind it what is in it (82093AA, 3.1).
static volatile uint32_t *io_apic(uint32_t number) {
  volatile uint32_t *io_apic = (volatile uint32_t *)PVH_IO_APIC;
  *io_apic = number;
  return io_apic + PVH_IO_APIC_WINDOW / sizeof *io_apic;
}

uint32_t pvh_io_apic_line_count(void) { return (*io_apic(1) >> 16 & 0xff) + 1; }

void pvh_route(const struct pvh_lines *lines, bool uses_levels) {
  // Redirection entries, two registers each from 16 on (82093AA, 3.2.4).
  for (uint32_t line = pvh_io_apic_line_count(); line--;) *io_apic(16 + 2 * line) = PVH_REDIRECTION_MASKED;
  for (uint32_t i = 0; i < lines->count; i++) {
    struct pvh_line *line = &pvh_state()->lines[1 + i];
    line->redirection = 16 + 2 * lines->line[i];
    line->entry = NEEDLETAIL_FIRST_DEVICE_VECTOR + i;
    // Of the serial port the application lets a level stand as long as it reads nothing.
    if (uses_levels && lines->line[i] != PVH_SERIAL_LINE) line->entry |= PVH_REDIRECTION_LEVEL;
    *io_apic(line->redirection + 1) = pvh_load_register(PVH_LOCAL_APIC + 0x20) & 0xff000000;
    *io_apic(line->redirection) = line->entry;
  }
}

void pvh_end(uint8_t status) {
  if (status && !pvh_state()->exit_port)
    pvh_format(pvh_serial(), "needletail: exit status %d\n", (uint64_t)status);
  pvh_stop(status);
}

PVH_END

#endif
