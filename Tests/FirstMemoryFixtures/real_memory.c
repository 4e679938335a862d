#include "real_memory.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t given, freed;
size_t real_blocks_given(void) { return given; }
size_t real_blocks_freed(void) { return freed; }

static void *count(void *block) {
  if (block) given++;
  return block;
}

void *__real_malloc(size_t size) { return count(malloc(size)); }
void *__real_calloc(size_t number, size_t size) { return count(calloc(number, size)); }
void *__real_realloc(void *block, size_t size) { return realloc(block, size); }
void *__real_aligned_alloc(size_t alignment, size_t size) { return count(aligned_alloc(alignment, size)); }
int __real_posix_memalign(void **block, size_t alignment, size_t size) {
  int code = posix_memalign(block, alignment, size);
  if (code == 0) count(*block);
  return code;
}
void __real_free(void *block) {
  if (block) freed++;
  free(block);
}
