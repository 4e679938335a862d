// What the loader tells, and where everything goes. The loader is trusted as far as it must be (it has put the image
// there) and no further.
#include "door.h"

PVH_BEGIN

bool pvh_check_start(const struct pvh_start_info *start, struct pvh_problem *problem) {
  // What is behind the addresses is looked at below 4 GiB only: a memory map of at most 1.5 MiB, a command line of 4
  // KiB.
  const uint64_t limit = 0xff000000;
  if (start->magic != PVH_START_MAGIC || start->version < 1 || start->module_count ||
      start->memory_map - 1 >= limit || start->command_line >= limit || start->memory_map_count > 0xffff)
    return pvh_fail(problem, "start information %x, version %d, with %d modules; expected %x, 1 or more, with none",
                    (uint64_t)start->magic, (uint64_t)start->version, (uint64_t)start->module_count,
                    (uint64_t)PVH_START_MAGIC);
  return true;
}

uint64_t pvh_memory_end(const struct pvh_memory_range *map, uint32_t count, uint64_t image_start, uint64_t image_end,
                        uint64_t limit) {
  uint64_t end = 0;
  // First what may be used; then, whatever else the loader says of it, what may not.
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < count; i++) {
      uint64_t range_end;
      if (__builtin_add_overflow(map[i].start, map[i].size, &range_end)) range_end = UINT64_MAX;
      if (range_end <= image_start || map[i].start >= range_end) continue;
      bool is_usable = map[i].type == PVH_MEMORY_USABLE;
      if (pass == 0 && is_usable && map[i].start <= image_start && range_end > end) end = range_end;
      if (pass == 1 && !is_usable && map[i].start < end) end = map[i].start;
    }
    if (end > limit) end = limit;
  }
  end &= ~(uint64_t)(pvh_page_size - 1);
  return end < image_end ? 0 : end;
}

static uint64_t whole_pages(uint64_t size) { return (size + pvh_page_size - 1) & ~(uint64_t)(pvh_page_size - 1); }

bool pvh_lay_out(const struct pvh_demands *demands, struct pvh_layout *layout, struct pvh_problem *problem) {
  // Between what lies below and the stack, so that a stack that overflows meets a fault.
  enum { gap = 64 << 10, smallest_heap = 64 << 10, thread_control_block_size = 64 };
  // The root and the one below it; at most one directory for each of the lowest four GiB; of tables, those at the
  // heap's two ends, and those of the two interrupt controllers and of what the sizes below may straddle.
  enum { fixed_tables = 2 + 4 + 2 + 2 + 4 };
  // Sizes come from the image's own headers, far from overflowing anything.
  uint64_t alignment = demands->thread_locals_alignment;
  uint64_t thread_locals_size = (demands->thread_locals_size + alignment - 1) & ~(alignment - 1);
  if (alignment < thread_control_block_size) alignment = thread_control_block_size;
  uint64_t stack_region = whole_pages(demands->stack_size + thread_locals_size + alignment);
  uint64_t boot_info_size = whole_pages(demands->boot_info_size);
  uint64_t small_pages = demands->image_end - demands->memory_start + stack_region + boot_info_size;

  layout->page_tables = demands->image_end;
  layout->page_table_count = fixed_tables + (small_pages >> 21) + demands->device_count;
  layout->stack_base = layout->page_tables + layout->page_table_count * pvh_page_size + gap;
  layout->thread_control_block =
      (layout->stack_base + stack_region - thread_control_block_size) & ~(alignment - 1);
  layout->thread_locals = layout->thread_control_block - thread_locals_size;
  layout->stack_top = layout->thread_locals & ~(uint64_t)15;
  layout->shared_page = layout->stack_base + stack_region;
  layout->boot_info = layout->shared_page + NEEDLETAIL_SHARED_PAGE_SIZE;
  layout->heap = layout->boot_info + boot_info_size;
  layout->end = demands->memory_end;
  // What lies below the image counts for whoever gives the machine its memory.
  uint64_t needed = layout->heap + smallest_heap;
  if (needed < demands->memory_start + demands->minimum_memory) needed = demands->memory_start + demands->minimum_memory;
  if (layout->end < needed)
    return pvh_fail(problem, "memory size is %dK; expected at least %dK for this image", layout->end >> 10,
                    (needed + 1023) >> 10);
  return true;
}

void pvh_map(struct pvh_page_tables *tables, uint64_t start, uint64_t end, uint64_t access) {
  // Intel SDM volume 3, 4.5. Accessed and dirty beforehand, so that the processor need not write the tables.
  enum { present = 1 << 0, accessed = 1 << 5, dirty = 1 << 6, large = 1 << 7 };
  enum { large_page = 2 << 20 };
  const uint64_t address_mask = 0x000ffffffffff000;
  while (start < end) {
    bool is_large = start % large_page == 0 && end - start >= large_page;
    uint64_t *table = tables->tables;
    unsigned shift = 39;
    for (; shift > (is_large ? 21 : 12); shift -= 9) {
      uint64_t *entry = &table[start >> shift & 511];
      if (!*entry) {
        if (tables->count >= tables->capacity) {
          tables->count = tables->capacity + 1;
          return;
        }
        // The leaves decide what is allowed.
        *entry = (tables->address + tables->count++ * pvh_page_size) | present | accessed | PVH_PAGE_WRITABLE |
                 PVH_PAGE_USER;
      }
      table = tables->tables + ((*entry & address_mask) - tables->address) / sizeof *table;
    }
    uint64_t *leaf = &table[start >> shift & 511];
    if (!*leaf) *leaf = start | access | present | accessed | dirty | (is_large ? large : 0);
    start += is_large ? large_page : pvh_page_size;
  }
}

PVH_END
