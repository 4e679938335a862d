// The allocation functions of libc, for the Swift runtime and for C in an application. In C because Swift reserves these
// names for the runtime and refuses to define them.
//
// Compiled for the freestanding image only; the hosted build has libc's.
#if !__STDC_HOSTED__

#include <stddef.h>

void *memset(void *destination, int value, size_t count);

// GuestKernel's Allocation.swift.
void *needletail_allocate(size_t size, size_t alignment);
void needletail_deallocate(void *pointer);
size_t needletail_usable_size(const void *pointer);
void *needletail_reallocate(void *pointer, size_t size);

// What malloc promises: alignment for every fundamental type (x86-64 psABI, 3.1.2).
enum { fundamental_alignment = 16 };

void *malloc(size_t size) { return needletail_allocate(size, fundamental_alignment); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  *result = needletail_allocate(size, alignment);
  return 0;
}

void free(void *pointer) {
  if (pointer) needletail_deallocate(pointer);
}

void *calloc(size_t count, size_t size) {
  size_t total;
  // A size that no heap has; asking for it says so with words.
  if (__builtin_mul_overflow(count, size, &total)) total = (size_t)-1;
  // Freed memory keeps its contents, so this clears what it got.
  return memset(malloc(total), 0, total);
}

void *realloc(void *pointer, size_t size) { return pointer ? needletail_reallocate(pointer, size) : malloc(size); }

size_t malloc_usable_size(void *pointer) { return pointer ? needletail_usable_size(pointer) : 0; }

#endif
