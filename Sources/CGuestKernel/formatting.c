// The printing functions that the concurrency runtime (C++) calls before it gives up. In C because Swift cannot take a
// va_list apart. Everything ends in putchar, which is Swift: see GuestKernel's Panic.swift.
//
// Compiled for the freestanding image only; the hosted build has libc's.
#if !__STDC_HOSTED__

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

int putchar(int character);

int puts(const char *string) {
  while (*string) putchar(*string++);
  putchar('\n');
  return 0;
}

struct sink {
  char *buffer;  // null: the console
  size_t capacity;
  size_t length;
};

static void emit(struct sink *sink, char character) {
  if (!sink->buffer) putchar(character);
  else if (sink->length + 1 < sink->capacity) sink->buffer[sink->length] = character;
  sink->length++;
}

static void emit_number(struct sink *sink, uint64_t value, unsigned base) {
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[value % base];
  while (value /= base);
  while (count) emit(sink, digits[--count]);
}

// %s, %c, %d, %i, %u, %x, %p and %% with the length modifiers h, l, j, z, t; widths and precisions are skipped.
static int format(struct sink *sink, const char *text, va_list arguments) {
  for (; *text; text++) {
    if (*text != '%') {
      emit(sink, *text);
      continue;
    }
    int is_long = 0;
    for (text++; *text; text++) {
      if (*text == 'l' || *text == 'z' || *text == 'j' || *text == 't') is_long = 1;
      else if (!(*text >= '0' && *text <= '9') && *text != '.' && *text != '-' && *text != '#' && *text != 'h') break;
    }
    switch (*text) {
    case 's': {
      const char *string = va_arg(arguments, const char *);
      for (string = string ? string : "(null)"; *string; string++) emit(sink, *string);
      break;
    }
    case 'c': emit(sink, (char)va_arg(arguments, int)); break;
    case 'd':
    case 'i': {
      int64_t value = is_long ? va_arg(arguments, long) : va_arg(arguments, int);
      if (value < 0) emit(sink, '-');
      emit_number(sink, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
      break;
    }
    case 'u': emit_number(sink, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 10); break;
    case 'x': emit_number(sink, is_long ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 16); break;
    case 'p': emit_number(sink, (uintptr_t)va_arg(arguments, void *), 16); break;
    case '%': emit(sink, '%'); break;
    default: return (int)sink->length;
    }
  }
  return (int)sink->length;
}

int vprintf(const char *text, va_list arguments) {
  struct sink sink = {0};
  return format(&sink, text, arguments);
}

int vsnprintf(char *buffer, size_t capacity, const char *text, va_list arguments) {
  char none[1];
  struct sink sink = {capacity ? buffer : none, capacity ? capacity : 1, 0};
  int length = format(&sink, text, arguments);
  sink.buffer[sink.length < sink.capacity ? sink.length : sink.capacity - 1] = 0;
  return length;
}

// Called by inline functions of libstdc++ for a container that would outgrow its address space.
void length_error(const char *what) __asm__("_ZSt20__throw_length_errorPKc");
void abort(void);
void length_error(const char *what) {
  puts(what);
  abort();
}

#endif
