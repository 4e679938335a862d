#include "door.h"

#include <stdarg.h>

PVH_BEGIN

static void put_number(struct pvh_output *output, uint64_t number, unsigned base) {
  char digits[20];
  int count = 0;
  do {
    unsigned digit = (unsigned)(number % base);
    digits[count++] = (char)(digit < 10 ? '0' + digit : 'a' - 10 + digit);
  } while (number /= base);
  while (count) output->put(output, digits[--count]);
}

void pvh_format(struct pvh_output *output, const char *format, ...) {
  // A terminal shows these.
  enum { longest_word = 128 };
  va_list arguments;
  va_start(arguments, format);
  for (; *format; format++) {
    if (*format != '%') {
      output->put(output, *format);
      continue;
    }
    switch (*++format) {
    case 's':
      for (const char *text = va_arg(arguments, const char *); *text; text++) output->put(output, *text);
      break;
    case 'w': {
      const struct pvh_word *word = va_arg(arguments, const struct pvh_word *);
      for (size_t i = 0; i < word->count && i < longest_word; i++) {
        char character = word->start[i];
        // What is not ASCII is UTF-8, or harmless.
        output->put(output, (character >= 0 && character < ' ') || character == 0x7f ? '?' : character);
      }
      break;
    }
    case 'd': put_number(output, va_arg(arguments, uint64_t), 10); break;
    default:
      output->put(output, '0');
      output->put(output, 'x');
      put_number(output, va_arg(arguments, uint64_t), 16);
    }
  }
  va_end(arguments);
}

static void put_problem(struct pvh_output *output, char character) {
  struct pvh_problem *problem = (struct pvh_problem *)output;
  if (problem->count + 1 < sizeof problem->text) problem->text[problem->count++] = character;
  problem->text[problem->count] = 0;
}

void pvh_problem_init(struct pvh_problem *problem) {
  problem->output.put = put_problem;
  problem->count = 0;
  problem->text[0] = 0;
}

PVH_END
