// Which device is which: what the image declares against what the command line names.
#include "door.h"

PVH_BEGIN

// Takes what is before `separator` off the front of `rest`, and the separator; all, if there is none.
static void split(struct pvh_word *rest, char separator, struct pvh_word *part) {
  *part = (struct pvh_word){rest->start, 0};
  while (rest->count) {
    rest->count--;
    if (*rest->start++ == separator) return;
    part->count++;
  }
}

int pvh_read_device(const struct pvh_word *word, struct pvh_device_word *device, struct pvh_problem *problem) {
  // Registers, and some configuration space (virtio 1.2, section 4.2.2); QEMU's are the smallest.
  enum { smallest_window = 0x200, largest_window = 1 << 20 };
  struct pvh_word rest, size_part, address_part, line_part;
  if (!pvh_drop_prefix(word, "virtio_mmio.device=", &rest)) return 0;
  uint64_t size, line;
  split(&rest, '@', &size_part);
  split(&rest, ':', &address_part);
  // Behind it, an identifier that only Linux needs.
  split(&rest, ':', &line_part);
  if (!pvh_number(&size_part, true, &size) || !pvh_number(&address_part, false, &device->address) ||
      !pvh_number(&line_part, false, &line) || size < smallest_window || size > largest_window || line > 0xff ||
      device->address % 4 || device->address < 0x10000 || device->address > 0xffffffff - size) {
    pvh_fail(problem, "'%w': expected virtio_mmio.device=SIZE@ADDRESS:IRQ, from 512 bytes up, below 4 GiB", word);
    return -1;
  }
  device->line = (uint32_t)line;
  return 1;
}

static const char *kind_name(uint32_t kind) {
  switch (kind) {
  case VIRTIO_ID_NETWORK: return "network interface";
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

static struct pvh_word name_of(const struct needletail_device *device) {
  struct pvh_word name = {device->name, 0};
  while (name.count < NEEDLETAIL_DEVICE_NAME_SIZE && device->name[name.count]) name.count++;
  return name;
}

// Reads needletail.name=NAME@ADDRESS: a declared device that is the one at this address and no other. False if it is
// wrong.
static bool read_name(const struct pvh_word *value, struct needletail_device *devices, uint32_t count) {
  struct pvh_word name, rest = *value, declared;
  split(&rest, '@', &name);
  for (; count--; devices++) {
    declared = name_of(devices);
    if (pvh_is_equal(&name, declared.start, declared.count)) return pvh_number(&rest, false, &devices->registers);
  }
  return false;
}

bool pvh_match_devices(struct pvh_word line, struct needletail_device *devices, uint32_t count, pvh_read_register read,
                       uint64_t serial_input, uint32_t line_limit, struct pvh_lines *lines,
                       struct pvh_problem *problem) {
  struct pvh_word rest = line, word, value;
  struct pvh_device_word window;
  int found;
  lines->count = 0;
  while (pvh_next_word(&rest, &word))
    if (pvh_drop_prefix(&word, "needletail.name=", &value) && !read_name(&value, devices, count))
      return pvh_fail(problem, "'%w': expected NAME@ADDRESS, with a name that the image declares", &word);
  while (pvh_next_word(&line, &word)) {
    if ((found = pvh_read_device(&word, &window, problem)) < 0) return false;
    if (!found) continue;
    if (read(window.address + VIRTIO_MMIO_MAGIC_VALUE) != VIRTIO_MMIO_MAGIC)
      return pvh_fail(problem, "'%w': there is no virtio-mmio device", &word);
    uint32_t kind = read(window.address + VIRTIO_MMIO_DEVICE_ID);
    // An empty place (virtio 1.2, section 4.2.2.2).
    if (!kind) continue;
    if (read(window.address + VIRTIO_MMIO_VERSION) != VIRTIO_MMIO_VERSION_2)
      return pvh_fail(problem, "'%w': a legacy virtio-mmio device, version 1; expected version 2"
                               " (QEMU: -global virtio-mmio.force-legacy=false)", &word);
    // It is the one of its kind that has its address by name, or else the next one that has none.
    struct needletail_device *device = NULL;
    for (uint32_t i = count; i--;)
      if (devices[i].kind == kind && !devices[i].vector &&
          (devices[i].registers == window.address ||
           (!devices[i].registers && !(device && device->registers))))
        device = &devices[i];
    for (uint32_t i = 0; i < count; i++)
      if (devices[i].vector && devices[i].registers == window.address) device = NULL;
    if (!device) return pvh_fail(problem, "'%w': the image does not declare the %s that is attached", &word,
                                 kind_name(kind));
    device->registers = window.address;
    if (window.line >= line_limit || !(device->vector = vector_of(lines, window.line)))
      return pvh_fail(problem, "'%w': expected an interrupt line below %d, and at most %d of them", &word,
                      (uint64_t)line_limit, (uint64_t)PVH_DEVICE_LINE_LIMIT);
  }
  for (; count--; devices++) {
    if (devices->vector) continue;
    if (devices->kind == VIRTIO_ID_CONSOLE && serial_input && (devices->vector = vector_of(lines, PVH_SERIAL_LINE))) {
      devices->registers = serial_input;
      devices->flags = NEEDLETAIL_DEVICE_IS_SERIAL;
      continue;
    }
    value = name_of(devices);
    return pvh_fail(problem, "the image declares the %s '%w', which is not attached; expected a word"
                             " virtio_mmio.device=SIZE@ADDRESS:IRQ", kind_name(devices->kind), &value);
  }
  return true;
}

PVH_END
