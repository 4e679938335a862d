// Which device is which: what the image declares against what the command line names.
#include "door.h"

PVH_BEGIN

int pvh_read_device(const struct pvh_word *word, struct pvh_device_word *device, struct pvh_problem *problem) {
  // Registers, and some configuration space (virtio 1.2, section 4.2.2); QEMU's are the smallest.
  enum { smallest_window = 0x200, largest_window = 1 << 20 };
  struct pvh_word parts[4];
  if (!pvh_drop_prefix(word, "virtio_mmio.device=", &parts[0])) return 0;
  // SIZE, ADDRESS, IRQ, and an identifier that only Linux needs.
  int count = 1;
  struct pvh_word *part = parts;
  struct pvh_word rest = *part;
  part->count = 0;
  for (; rest.count; rest.start++, rest.count--) {
    if (count < 4 && *rest.start == (count == 1 ? '@' : ':')) {
      *++part = (struct pvh_word){rest.start + 1, 0};
      count++;
    } else {
      part->count++;
    }
  }
  uint64_t size, line;
  if (count < 3 || !pvh_number(&parts[0], true, &size) || !pvh_number(&parts[1], false, &device->address) ||
      !pvh_number(&parts[2], false, &line) || size < smallest_window || size > largest_window || line > 0xff ||
      device->address % 4 || device->address < 0x10000 || device->address > 0xffffffff - size) {
    pvh_fail(problem, "'%w': expected virtio_mmio.device=SIZE@ADDRESS:IRQ, from 512 bytes up, below 4 GiB", word);
    return -1;
  }
  device->line = (uint32_t)line;
  return 1;
}

static const char *kind_name(uint32_t kind) {
  switch (kind) {
  case VIRTIO_ID_BLOCK: return "block device";
  case VIRTIO_ID_CONSOLE: return "console";
  case VIRTIO_ID_ENTROPY: return "entropy device";
  default: return "device of another kind";
  }
}

// The vector of a line; 0 when there is none left.
static uint32_t vector_of(struct pvh_lines *lines, uint32_t line) {
  uint32_t index = 0;
  while (index < lines->count && lines->line[index] != line) index++;
  if (index == lines->count) {
    if (index == PVH_DEVICE_LINE_LIMIT) return 0;
    lines->line[lines->count++] = (uint8_t)line;
  }
  return NEEDLETAIL_FIRST_DEVICE_VECTOR + index;
}

// The address that a word needletail.name=NAME@ADDRESS gives; false if the word is none, or wrong.
static bool read_name(const struct pvh_word *word, struct pvh_word *name, uint64_t *address) {
  struct pvh_word number;
  if (!pvh_drop_prefix(word, "needletail.name=", &number)) return false;
  *name = (struct pvh_word){number.start, 0};
  while (number.count && *number.start != '@') number.start++, number.count--, name->count++;
  return pvh_drop_prefix(&number, "@", &number) && pvh_number(&number, false, address);
}

static size_t name_length(const struct needletail_device *device) {
  size_t count = 0;
  while (count < NEEDLETAIL_DEVICE_NAME_SIZE && device->name[count]) count++;
  return count;
}

// The declared device to which a word gives the device at `address`; null if there is none.
static struct needletail_device *named(struct pvh_word line, struct needletail_device *devices, uint32_t count,
                                       uint64_t address) {
  struct pvh_word word, name;
  uint64_t other;
  while (pvh_next_word(&line, &word)) {
    if (!read_name(&word, &name, &other) || other != address) continue;
    for (uint32_t i = 0; i < count; i++)
      if (pvh_is_equal(&name, devices[i].name, name_length(&devices[i]))) return &devices[i];
  }
  return NULL;
}

// Whether a word gives this declared device an address.
static bool has_address(struct pvh_word line, const struct needletail_device *device) {
  struct pvh_word word, name;
  uint64_t address;
  while (pvh_next_word(&line, &word))
    if (read_name(&word, &name, &address) && pvh_is_equal(&name, device->name, name_length(device))) return true;
  return false;
}

bool pvh_match_devices(struct pvh_word line, struct needletail_device *devices, uint32_t count, pvh_read_register read,
                       uint64_t serial_input, uint32_t line_limit, struct pvh_lines *lines,
                       struct pvh_problem *problem) {
  enum { serial_line = 4 };  // COM1's (IBM PC AT technical reference)
  struct pvh_word rest = line, word, name;
  struct pvh_device_word window;
  uint64_t address;
  int found;
  lines->count = 0;
  while (pvh_next_word(&rest, &word)) {
    if ((found = pvh_read_device(&word, &window, problem)) < 0) return false;
    if (!found) continue;
    if (read(window.address + VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC)
      return pvh_fail(problem, "'%w': there is no virtio-mmio device", &word);
    uint32_t kind = read(window.address + VIRTIO_MMIO_DEVICE_ID);
    // An empty place (virtio 1.2, section 4.2.2.2).
    if (!kind) continue;
    if (read(window.address + VIRTIO_MMIO_VERSION) != VIRTIO_MMIO_VERSION_2)
      return pvh_fail(problem, "'%w': a legacy virtio-mmio device, of version 1; expected version 2 (QEMU:"
                               " -global virtio-mmio.force-legacy=false)", &word);
    // By its name, or else it is the next of its kind that has neither a name nor a device.
    struct needletail_device *device = named(line, devices, count, window.address);
    for (uint32_t i = 0; !device && i < count; i++)
      if (devices[i].kind == kind && !devices[i].registers && !has_address(line, &devices[i])) device = &devices[i];
    if (!device || device->kind != kind || device->registers)
      return pvh_fail(problem, "'%w': a %s is attached, but the image does not declare it", &word, kind_name(kind));
    if (window.line >= line_limit || !(device->vector = vector_of(lines, window.line)))
      return pvh_fail(problem, "'%w': expected an interrupt line below %d, and at most %d lines altogether", &word,
                      (uint64_t)line_limit, (uint64_t)PVH_DEVICE_LINE_LIMIT);
    device->registers = window.address;
  }
  for (rest = line; pvh_next_word(&rest, &word);) {
    struct pvh_word value;
    if (!pvh_drop_prefix(&word, "needletail.name=", &value)) continue;
    struct needletail_device *device = read_name(&word, &name, &address) ? named(line, devices, count, address) : NULL;
    if (!device || device->registers != address)
      return pvh_fail(problem, "'%w': expected NAME@ADDRESS, of a device that the image declares and a word"
                               " virtio_mmio.device= names", &word);
  }
  for (uint32_t i = 0; i < count; i++) {
    struct needletail_device *device = &devices[i];
    if (device->registers) continue;
    if (device->kind == VIRTIO_ID_CONSOLE && serial_input && (device->vector = vector_of(lines, serial_line))) {
      device->registers = serial_input;
      device->flags = NEEDLETAIL_DEVICE_IS_SERIAL;
      continue;
    }
    struct pvh_word text = {device->name, name_length(device)};
    return pvh_fail(problem, "the image declares the %s '%w', which is not attached; expected a word"
                             " virtio_mmio.device=SIZE@ADDRESS:IRQ for it", kind_name(device->kind), &text);
  }
  return true;
}

PVH_END
