// From the loader's structures to the application's first instruction: makes what the boot contract promises, in ring
// 0, with all of the lowest 4 GiB mapped and interrupts off.
#include "door.h"

#if !__STDC_HOSTED__

PVH_BEGIN

// ELF64 (System V ABI, chapters 4 and 5), as far as an image describes itself.
struct elf_header {
  uint8_t identification[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_headers, section_headers;
  uint32_t flags;
  uint16_t size, program_header_size, program_header_count;
};
struct segment {
  uint32_t type, flags;
  uint64_t offset, address, physical_address, file_size, memory_size, alignment;
};
enum { type_load = 1, type_note = 4, type_thread_locals = 7 };
enum { is_executable = 1, is_writable = 2 };
struct note {
  uint32_t name_size, size, type;
};

// Where the monitor has them as well.
enum { clock_offset = 256, devices_offset = 320 };
enum { longest_command_line = 4095 };

static const struct segment *segments(uint32_t *count) {
  const struct elf_header *header = (const struct elf_header *)needletail_image_start;
  *count = header->program_header_count;
  return (const struct segment *)(needletail_image_start + header->program_headers);
}

// Whether the application has it.
static bool is_loaded(const struct segment *segment) {
  return segment->type == type_load && segment->memory_size && !(segment->flags & NEEDLETAIL_SEGMENT_FOR_OTHER_LOADERS);
}

static uint64_t page_end(const struct segment *segment) {
  return (segment->address + segment->memory_size + pvh_page_size - 1) & ~(uint64_t)(pvh_page_size - 1);
}

static void copy(void *destination, const void *source, size_t count) {
  __asm__ volatile("rep movsb" : "+D"(destination), "+S"(source), "+c"(count)::"memory");
}

static void clear(uint64_t address, uint64_t count) {
  __asm__ volatile("rep stosb" : "+D"(address), "+c"(count) : "a"(0) : "memory");
}

// The contract's note, and how many devices the image declares; their names and kinds go to `devices`, if it is not
// null.
static const struct needletail_image_note *read_notes(struct needletail_device *devices, uint32_t *device_count) {
  const struct needletail_image_note *contract = NULL;
  uint32_t count;
  const struct segment *segment = segments(&count);
  *device_count = 0;
  for (; count--; segment++) {
    if (segment->type != type_note) continue;
    const char *at = (const char *)segment->address, *end = at + segment->file_size;
    while (at < end) {
      const struct note *note = (const struct note *)at;
      const char *value = at + sizeof *note + ((note->name_size + 3) & ~3u);
      at = value + ((note->size + 3) & ~3u);
      // No other owner of notes in an image has a name of this length.
      if (note->name_size != sizeof NEEDLETAIL_NOTE_OWNER) continue;
      if (note->type == NEEDLETAIL_NOTE_CONTRACT) contract = (const void *)value;
      if (note->type == NEEDLETAIL_NOTE_DEVICE) {
        const struct needletail_device_declaration *declaration = (const void *)value;
        if (devices) {
          devices[*device_count].kind = declaration->kind;
          copy(devices[*device_count].name, declaration->name, NEEDLETAIL_DEVICE_NAME_SIZE);
        }
        ++*device_count;
      }
    }
  }
  return contract;
}

static void map_all(struct pvh_page_tables *tables, const struct pvh_layout *layout,
                    const struct needletail_device *devices, uint32_t device_count) {
  const uint64_t data = PVH_PAGE_NO_EXECUTE, writable = data | PVH_PAGE_WRITABLE, user = PVH_PAGE_USER;
  uint32_t count;
  const struct segment *segment = segments(&count);
  for (; count--; segment++)
    if (is_loaded(segment))
      pvh_map(tables, segment->address, page_end(segment),
                           user | (segment->flags & is_writable ? PVH_PAGE_WRITABLE : 0) |
                               (segment->flags & is_executable ? 0 : PVH_PAGE_NO_EXECUTE));
  // For ring 0: the door's code; its stacks and tables; the interrupt controllers.
  pvh_map(tables, (uint64_t)pvh_start & ~(uint64_t)(pvh_page_size - 1), (uint64_t)pvh_text_end, 0);
  pvh_map(tables, (uint64_t)pvh_data_start, (uint64_t)needletail_pvh_end, writable);
  pvh_map(tables, PVH_IO_APIC, PVH_IO_APIC + pvh_page_size, writable);
  pvh_map(tables, PVH_LOCAL_APIC, PVH_LOCAL_APIC + pvh_page_size, writable);
  pvh_map(tables, layout->stack_base, layout->boot_info, user | writable);
  pvh_map(tables, layout->boot_info, layout->heap, user | data);
  pvh_map(tables, layout->heap, layout->end, user | writable);
  // Of a device, the page that has its registers. QEMU puts eight into one.
  for (; device_count--; devices++) {
    uint64_t page = devices->registers & ~(uint64_t)(pvh_page_size - 1);
    if (!(devices->flags & NEEDLETAIL_DEVICE_IS_SERIAL))
      pvh_map(tables, page, page + pvh_page_size, user | writable);
  }
}

static bool prepare(const struct pvh_start_info *start, struct pvh_entry *entry, struct pvh_problem *problem) {
  // On the stack before anything is written to memory that may be where the loader left it.
  char characters[longest_command_line + 1];
  struct pvh_word line = {characters, 0};
  struct pvh_options options;
  if (!pvh_check_start(start, problem)) return false;
  if (start->command_line) {
    const char *text = (const char *)start->command_line;
    for (; text[line.count]; line.count++) {
      if (line.count == longest_command_line)
        return pvh_fail(problem, "the command line is too long; expected at most %d bytes",
                        (uint64_t)longest_command_line);
      characters[line.count] = text[line.count];
    }
  }
  if (!pvh_read_options(line, &options, problem)) return false;
  pvh_state()->exit_port = options.exit_port;

  uint32_t segment_count, device_count;
  const struct segment *segment = segments(&segment_count), *thread_locals = NULL;
  uint64_t image_base = (uint64_t)needletail_image_start, image_end = image_base, argument_count;
  for (; segment_count--; segment++) {
    if (segment->type == type_thread_locals) thread_locals = segment;
    if (is_loaded(segment)) image_end = page_end(segment);
  }
  const struct needletail_image_note *contract = read_notes(NULL, &device_count);
  uint64_t arguments_offset = devices_offset + device_count * sizeof(struct needletail_device);
  uint64_t arguments_size = pvh_write_arguments(line, &options, NULL, &argument_count);
  struct pvh_demands demands = {
      .memory_start = image_base,
      .memory_end = pvh_memory_end((const struct pvh_memory_range *)start->memory_map, start->memory_map_count,
                                   image_base, (uint64_t)needletail_pvh_end, PVH_IO_APIC),
      .image_end = (uint64_t)needletail_pvh_end,
      .stack_size = contract->stack_size,
      .minimum_memory = contract->minimum_memory,
      .thread_locals_size = thread_locals ? thread_locals->memory_size : 0,
      .thread_locals_alignment = thread_locals && thread_locals->alignment ? thread_locals->alignment : 1,
      .boot_info_size = arguments_offset + arguments_size,
      .device_count = device_count,
  };
  struct pvh_layout layout;
  if (!pvh_lay_out(&demands, &layout, problem)) return false;

  // Memory behind the image is ours from here on. A loader's is zero, but firmware may have used some; GuestKernel's
  // heap needs its first 64th to be.
  clear(layout.page_tables, layout.heap - layout.page_tables);
  clear(layout.heap, (layout.end - layout.heap) / 32);
  struct needletail_boot_info *info = (struct needletail_boot_info *)layout.boot_info;
  struct needletail_device *devices = (struct needletail_device *)(layout.boot_info + devices_offset);
  struct pvh_lines lines;
  read_notes(devices, &device_count);
  if (!pvh_match_devices(line, devices, device_count, pvh_load_register,
                         pvh_serial_is_there() ? (uint64_t)needletail_control_page : 0, pvh_io_apic_line_count(),
                         &lines, problem))
    return false;
  if (!pvh_enable_local_apic(problem)) return false;
  pvh_route(&lines, options.uses_levels);
  for (uint32_t i = 0; i < device_count; i++)
    if (devices[i].flags & NEEDLETAIL_DEVICE_IS_SERIAL) pvh_serial_enable_input();

  uint64_t random[NEEDLETAIL_SEED_WORDS + 1];
  info->clock = layout.boot_info + clock_offset;
  if (!pvh_start_clocks((struct needletail_clock *)info->clock, (void *)layout.shared_page, &info->tsc_khz,
                        &info->wall_clock, problem))
    return false;
  pvh_fill_seed(random, NEEDLETAIL_SEED_WORDS + 1, info->wall_clock);
  copy(info->seed, random, sizeof info->seed);
  // The lowest byte is zero, so that a string function that runs over does not copy it.
  info->stack_canary = random[NEEDLETAIL_SEED_WORDS] << 8;
  info->magic = NEEDLETAIL_BOOT_INFO_MAGIC;
  info->version = NEEDLETAIL_CONTRACT_VERSION;
  info->size = sizeof *info;
  info->device_count = device_count;
  info->devices = device_count ? (uint64_t)devices : 0;
  info->image_base = image_base;
  info->image_size = image_end - image_base;
  info->heap_base = layout.heap;
  info->heap_size = layout.end - layout.heap;
  info->stack_base = layout.stack_base;
  info->stack_size = layout.stack_top - layout.stack_base;
  info->memory_size = layout.end - image_base;
  info->control_page = (uint64_t)needletail_control_page;
  info->shared_page = layout.shared_page;
  info->arguments = layout.boot_info + arguments_offset;
  info->arguments_size = arguments_size;
  info->argument_count = argument_count;
  pvh_write_arguments(line, &options, (char *)info->arguments, &argument_count);
  if (thread_locals)
    copy((void *)layout.thread_locals, (const void *)thread_locals->address, thread_locals->file_size);
  // x86-64 psABI, 3.4.2: FS:0 points to itself, and FS:0x28 is the canary.
  uint64_t *block = (uint64_t *)layout.thread_control_block;
  block[0] = (uint64_t)block;
  block[5] = info->stack_canary;

  struct pvh_page_tables tables = {(uint64_t *)layout.page_tables, layout.page_tables, layout.page_table_count, 1};
  map_all(&tables, &layout, devices, device_count);
  // pvh_lay_out counts them.
  if (tables.count > tables.capacity) __builtin_trap();
  pvh_state()->shared_page = layout.shared_page;
  *entry = (struct pvh_entry){layout.page_tables, ((const struct elf_header *)needletail_image_start)->entry,
                              layout.stack_top - 8, layout.boot_info, layout.thread_control_block};
  return true;
}

_Noreturn void pvh_boot(const struct pvh_start_info *start) {
  struct pvh_problem problem;
  struct pvh_entry entry;
  pvh_problem_init(&problem);
  pvh_serial_init();
  if (prepare(start, &entry, &problem)) pvh_enter(&entry);
  pvh_format(pvh_serial(), "needletail: %s\n", problem.text);
  // What the monitor ends with where it cannot make a machine.
  pvh_end(125);
}

PVH_END

#endif
