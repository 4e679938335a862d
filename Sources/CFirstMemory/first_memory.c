// The first memory that a process allocates: from a part of its own data, where musl would map a page or more for each size and
// unmap it when the last of that size is freed. On the way to the guest that is some ten system calls and as many page faults,
// 30 microseconds and more (docs/performance.md, "Why the monitor is linked with musl"). What does not fit is musl's.
//
// In C because it stands behind C's names: the linker leads all calls of them here (--wrap in MonitorLink/musl.options).
#include "first_memory.h"

#include <stdatomic.h>
#include <string.h>

// Enough for a machine with some devices; never given back, so a monitor that lives long has no more than this from it.
enum { SIZE = 32 << 10, ALIGNMENT = 16 };

static _Alignas(64) char memory[SIZE];
static atomic_size_t used;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *block);

static int is_first(const void *block) { return (const char *)block >= memory && (const char *)block < memory + SIZE; }

// Null if it does not fit. The memory has never been used: it is zero. In front of each block is its size.
static void *take(size_t alignment, size_t size) {
  if (size > SIZE / 4 || alignment > ALIGNMENT) return NULL;
  size_t whole = ALIGNMENT + ((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
  size_t start = atomic_load_explicit(&used, memory_order_relaxed);
  do {
    if (whole > SIZE - start) return NULL;
  } while (!atomic_compare_exchange_weak_explicit(&used, &start, start + whole, memory_order_relaxed, memory_order_relaxed));
  char *block = memory + start + ALIGNMENT;
  memcpy(block - ALIGNMENT, &size, sizeof size);
  return block;
}

void *__wrap_malloc(size_t size) {
  void *block = take(ALIGNMENT, size);
  return block ? block : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  size_t total;
  void *block = __builtin_mul_overflow(count, size, &total) ? NULL : take(ALIGNMENT, total);
  return block ? block : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  void *block = take(alignment, size);
  return block ? block : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size) {
  void *taken = take(alignment, size);
  if (!taken) return __real_posix_memalign(block, alignment, size);
  *block = taken;
  return 0;
}

void *__wrap_realloc(void *block, size_t size) {
  if (!is_first(block)) return block ? __real_realloc(block, size) : __wrap_malloc(size);
  size_t before;
  memcpy(&before, (char *)block - ALIGNMENT, sizeof before);
  if (size <= before) return block;
  void *larger = __wrap_malloc(size);
  if (larger) memcpy(larger, block, before);
  return larger;
}

void __wrap_free(void *block) {
  if (!is_first(block)) __real_free(block);
}
