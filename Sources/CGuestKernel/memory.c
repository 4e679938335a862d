// memcpy and its family. In C because the compiler turns loops into calls of these very functions, Swift's included;
// -fno-builtin (set by the toolset) keeps it from doing so here.
//
// Compiled for the freestanding image only; the hosted build has libc's.
#if !__STDC_HOSTED__

#include <stddef.h>
#include <stdint.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) unaligned_word;

// Above this, `rep movsb` beats a loop of words on processors with ERMS (Intel optimisation manual, 3.7.6).
enum { string_instruction_threshold = 256 };

void *memcpy(void *restrict destination, const void *restrict source, size_t count) {
  char *to = destination;
  const char *from = source;
  if (count >= string_instruction_threshold) {
    void *end = to;
    __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(count)::"memory");
    return destination;
  }
  if (count >= 8) {
    // Whole words, then one that ends where the buffer ends and may overlap the one before.
    size_t offset = 0;
    for (; offset + 8 <= count; offset += 8) *(unaligned_word *)(to + offset) = *(const unaligned_word *)(from + offset);
    *(unaligned_word *)(to + count - 8) = *(const unaligned_word *)(from + count - 8);
    return destination;
  }
  for (size_t i = 0; i < count; i++) to[i] = from[i];
  return destination;
}

void *memmove(void *destination, const void *source, size_t count) {
  char *to = destination;
  const char *from = source;
  // Forward is right unless the destination starts inside the source.
  if ((uintptr_t)to - (uintptr_t)from >= count) {
    if ((uintptr_t)from - (uintptr_t)to >= count) return memcpy(destination, source, count);
    size_t offset = 0;
    for (; offset + 8 <= count; offset += 8) *(unaligned_word *)(to + offset) = *(const unaligned_word *)(from + offset);
    for (; offset < count; offset++) to[offset] = from[offset];
    return destination;
  }
  while (count >= 8) {
    count -= 8;
    *(unaligned_word *)(to + count) = *(const unaligned_word *)(from + count);
  }
  while (count > 0) {
    count--;
    to[count] = from[count];
  }
  return destination;
}

void *memset(void *destination, int value, size_t count) {
  char *to = destination;
  if (count >= string_instruction_threshold) {
    void *end = to;
    __asm__ volatile("rep stosb" : "+D"(end), "+c"(count) : "a"(value) : "memory");
    return destination;
  }
  uint64_t word = 0x0101010101010101u * (uint8_t)value;
  size_t offset = 0;
  for (; offset + 8 <= count; offset += 8) *(unaligned_word *)(to + offset) = word;
  for (; offset < count; offset++) to[offset] = (char)value;
  return destination;
}

int memcmp(const void *first, const void *second, size_t count) {
  const uint8_t *a = first, *b = second;
  size_t offset = 0;
  while (offset + 8 <= count && *(const unaligned_word *)(a + offset) == *(const unaligned_word *)(b + offset)) offset += 8;
  for (; offset < count; offset++)
    if (a[offset] != b[offset]) return a[offset] - b[offset];
  return 0;
}

size_t strlen(const char *string) {
  size_t count = 0;
  while (string[count]) count++;
  return count;
}

char *strncpy(char *restrict destination, const char *restrict source, size_t count) {
  size_t offset = 0;
  for (; offset < count && source[offset]; offset++) destination[offset] = source[offset];
  for (; offset < count; offset++) destination[offset] = 0;
  return destination;
}

#endif
