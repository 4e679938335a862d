// A panic in words, on the serial port: those of the monitor's report (Sources/Machine/Backtrace), as far as they need
// no symbols. In ring 0, under the application's page tables, interrupts off.
#include "door.h"

#if !__STDC_HOSTED__

PVH_BEGIN

// Exception vectors (Intel SDM volume 3, table 6-1) and page-fault error codes (figure 4-12).
enum { divide_error = 0, breakpoint = 3, invalid_opcode = 6, general_protection = 13, page_fault = 14 };
enum { was_present = 1, was_write = 2, was_fetch = 16 };

static const struct needletail_boot_info *boot_info(void) {
  // Behind the shared page, and read-only to whoever may have gone wild.
  return (const struct needletail_boot_info *)(pvh_state()->shared_page + NEEDLETAIL_SHARED_PAGE_SIZE);
}

static void write_cause(struct pvh_output *output, const struct pvh_frame *frame, uint64_t address) {
  uint64_t stack = boot_info()->stack_base, code = frame->error_code;
  const char *words = "";
  switch (frame->vector) {
  case divide_error: words = "division by zero"; break;
  case breakpoint: words = "breakpoint"; break;
  case invalid_opcode: words = "trap or illegal instruction"; break;
  case general_protection:
    pvh_format(output, "general protection fault (privileged instruction or non-canonical address), error code %d", code);
    break;
  case page_fault:
    if (address < pvh_page_size) words = "null pointer: ";
    // As far below as nothing of the application's can be.
    else if (address < stack && address >= boot_info()->image_base + boot_info()->image_size) words = "stack overflow: ";
    else if ((code & (was_fetch | was_present)) == (was_fetch | was_present)) words = "execution of data: ";
    else if ((code & (was_write | was_present)) == (was_write | was_present)) words = "write to read-only memory: ";
    pvh_format(output, "%spage fault on address %x while %s", words, address,
               code & was_fetch ? "executing" : code & was_write ? "writing" : "reading");
    return;
  default: pvh_format(output, "exception %d, error code %d", frame->vector, code);
  }
  pvh_format(output, "%s", words);
}

// A word of the application's stack or heap; false if it is none.
static bool read_word(uint64_t address, uint64_t *word) {
  const struct needletail_boot_info *info = boot_info();
  if (address % 8 || address < info->stack_base || address >= info->heap_base + info->heap_size) return false;
  *word = *(const uint64_t *)address;
  return true;
}

static bool is_code(uint64_t address) { return address - boot_info()->image_base < boot_info()->image_size; }

static void write_frame(struct pvh_output *output, uint64_t number, uint64_t address) {
  pvh_format(output, "  %s%d %x image + %x\n", number < 10 ? " " : "", number, address, address);
}

static void write_frames(struct pvh_output *output, const struct pvh_frame *frame) {
  enum { most_frames = 128 };
  // Swift marks the frame pointers of asynchronous functions with this bit (swift-async-fp, LLVM's X86FrameLowering).
  const uint64_t async_mark = (uint64_t)1 << 60;
  uint64_t number = 0, repeats = 0, last = frame->rip, next, caller, pointer = frame->rbp & ~async_mark;
  write_frame(output, number++, last);
  // A jump to where no code is: the caller is on top of the stack.
  if (!is_code(last) && read_word(frame->rsp, &caller) && is_code(caller)) write_frame(output, number++, last = caller);
  while (number < most_frames && read_word(pointer, &next) && read_word(pointer + 8, &caller) && is_code(caller)) {
    if (caller == last) {
      repeats++;
    } else {
      if (repeats) pvh_format(output, "     ... the same %d more times\n", repeats);
      repeats = 0;
      write_frame(output, number, last = caller);
    }
    number++;
    // Frames lie further and further up a stack: anything else is forged or garbage.
    next &= ~async_mark;
    if (next <= pointer) break;
    pointer = next;
  }
  if (repeats) pvh_format(output, "     ... the same %d more times\n", repeats);
}

static void write_registers(struct pvh_output *output, const struct pvh_frame *frame) {
  // As the frame has them; the vector, which was told already, and the segments' selectors are left out.
  static const char names[] =
      "r15\0r14\0r13\0r12\0r11\0r10\0r9\0r8\0rbp\0rdi\0rsi\0rdx\0rcx\0rbx\0rax\0\0\0rip\0\0flags\0rsp";
  const uint64_t *registers = (const uint64_t *)frame;
  for (const char *name = names; name < names + sizeof names; registers++) {
    if (*name) pvh_format(output, "  %s %x", name, *registers);
    while (*name++);
  }
  output->put(output, '\n');
}

// The guest's own words: no control characters, and lines behind the first marked, so that they cannot pass for the
// report's.
static void write_message(struct pvh_output *output, const char *text, size_t count) {
  while (count && text[count - 1] == '\n') count--;
  for (; count--; text++) {
    if (*text == '\n') pvh_format(output, "\n  | ");
    else if ((*text >= ' ' && *text != 0x7f) || *text < 0 || *text == '\t') output->put(output, *text);
  }
}

_Noreturn void pvh_report(const struct pvh_frame *frame, uint64_t address, uint32_t phase) {
  struct pvh_output *output = pvh_serial();
  if (phase == PVH_PHASE_BOOTING) {
    // The door's own fault.
    pvh_format(output, "needletail: exception %d at %x, before the application\n", frame->vector, frame->rip);
    pvh_end(125);
  }
  struct needletail_shared_page *page = (struct needletail_shared_page *)pvh_state()->shared_page;
  uint32_t count = page->console_length, words = page->panic_length;
  for (uint32_t i = 0; i < count && i < NEEDLETAIL_CONSOLE_BUFFER_SIZE; i++)
    output->put(output, needletail_shared_console(page)[i]);
  pvh_format(output, "needletail: guest panic: ");
  if (words > NEEDLETAIL_PANIC_MESSAGE_SIZE) words = NEEDLETAIL_PANIC_MESSAGE_SIZE;
  write_message(output, needletail_shared_panic_message(page), words);
  if (!words || frame->vector != invalid_opcode) {
    if (words) pvh_format(output, "\n  ");
    write_cause(output, frame, address);
  }
  output->put(output, '\n');
  write_frames(output, frame);
  write_registers(output, frame);
  // 128 + SIGABRT, as the monitor has it.
  pvh_end(134);
}

PVH_END

#endif
