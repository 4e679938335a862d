// The command line, which whoever starts the machine wrote, and loaders add to: words with spaces between them.
#include "door.h"

PVH_BEGIN

bool pvh_next_word(struct pvh_word *rest, struct pvh_word *word) {
  while (rest->count && *rest->start == ' ') rest->start++, rest->count--;
  *word = (struct pvh_word){rest->start, 0};
  while (rest->count && *rest->start != ' ') rest->start++, rest->count--, word->count++;
  return word->count > 0;
}

bool pvh_is_equal(const struct pvh_word *word, const char *text, size_t count) {
  if (word->count != count) return false;
  for (size_t i = 0; i < count; i++)
    if (word->start[i] != text[i]) return false;
  return true;
}

bool pvh_drop_prefix(const struct pvh_word *word, const char *prefix, struct pvh_word *rest) {
  size_t count = 0;
  for (; prefix[count]; count++)
    if (count == word->count || word->start[count] != prefix[count]) return false;
  *rest = (struct pvh_word){word->start + count, word->count - count};
  return true;
}

bool pvh_number(const struct pvh_word *word, bool allows_unit, uint64_t *number) {
  struct pvh_word digits = *word;
  unsigned base = pvh_drop_prefix(word, "0x", &digits) ? 16 : 10, shift = 0;
  if (allows_unit && digits.count) {
    switch (digits.start[digits.count - 1] | 0x20) {
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    }
    if (shift) digits.count--;
  }
  if (!digits.count) return false;
  uint64_t value = 0;
  for (size_t i = 0; i < digits.count; i++) {
    unsigned character = (unsigned char)digits.start[i], digit = character - '0';
    if (digit > 9) {
      digit = (character | 0x20) - 'a';
      if (digit > 5) return false;
      digit += 10;
    }
    if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
        __builtin_add_overflow(value, (uint64_t)digit, &value))
      return false;
  }
  *number = value << shift;
  return *number >> shift == value;
}

bool pvh_read_options(struct pvh_word line, struct pvh_options *options, struct pvh_problem *problem) {
  struct pvh_word word, value, rest;
  *options = (struct pvh_options){.image_name = {"image", 5}};
  while (pvh_next_word(&line, &word)) {
    if (!pvh_drop_prefix(&word, "needletail.", &value)) continue;
    uint64_t port;
    if (pvh_drop_prefix(&value, "exit=", &rest) && pvh_number(&rest, false, &port) && port - 1 < 0xffff)
      options->exit_port = (uint32_t)port;
    else if (pvh_drop_prefix(&value, "image=", &rest)) options->image_name = rest;
    else if (pvh_is_equal(&value, "interrupts=level", 16)) options->uses_levels = true;
    else if (!pvh_is_equal(&value, "interrupts=edge", 15) && !pvh_drop_prefix(&value, "name=", &rest))
      return pvh_fail(problem, "'%w': expected exit=PORT, image=NAME, interrupts=edge or =level, or name=NAME@ADDRESS",
                      &word);
  }
  return true;
}

static size_t write_argument(const struct pvh_word *word, char *arguments, size_t offset) {
  if (arguments) {
    for (size_t i = 0; i < word->count; i++) arguments[offset + i] = word->start[i];
    arguments[offset + word->count] = 0;
  }
  return offset + word->count + 1;
}

size_t pvh_write_arguments(struct pvh_word line, const struct pvh_options *options, char *arguments, uint64_t *count) {
  struct pvh_word word, rest;
  bool is_behind = false;
  size_t offset = write_argument(&options->image_name, arguments, 0);
  *count = 1;
  while (pvh_next_word(&line, &word)) {
    // QEMU puts its own words at the end, behind ours.
    if (pvh_drop_prefix(&word, "needletail.", &rest) || pvh_drop_prefix(&word, "virtio_mmio.device=", &rest)) continue;
    if (is_behind) {
      offset = write_argument(&word, arguments, offset);
      *count += 1;
    }
    if (pvh_is_equal(&word, "--", 2)) is_behind = true;
  }
  return offset;
}

PVH_END
