#include "LayoutFixtures.h"

#include "machine_abi.h"

#define FIELD(structure, field)                                                                                        \
  { #structure, #field, offsetof(struct structure, field), sizeof(((struct structure *)0)->field) }
#define STRUCTURE(structure) { #structure, sizeof(struct structure), _Alignof(struct structure) }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct layout_field fields[] = {
    FIELD(needletail_image_note, contract_version),
    FIELD(needletail_image_note, flags),
    FIELD(needletail_image_note, trap_table),
    FIELD(needletail_image_note, minimum_memory),
    FIELD(needletail_image_note, stack_size),

    FIELD(needletail_clock, version),
    FIELD(needletail_clock, pad0),
    FIELD(needletail_clock, tsc_timestamp),
    FIELD(needletail_clock, system_time),
    FIELD(needletail_clock, tsc_to_system_mul),
    FIELD(needletail_clock, tsc_shift),
    FIELD(needletail_clock, flags),
    FIELD(needletail_clock, pad),

    FIELD(needletail_device, name),
    FIELD(needletail_device, kind),
    FIELD(needletail_device, vector),
    FIELD(needletail_device, registers),
    FIELD(needletail_device, flags),
    FIELD(needletail_device, high_features),
    FIELD(needletail_device_declaration, kind),
    FIELD(needletail_device_declaration, flags),
    FIELD(needletail_device_declaration, name),

    FIELD(needletail_boot_info, magic),
    FIELD(needletail_boot_info, version),
    FIELD(needletail_boot_info, size),
    FIELD(needletail_boot_info, device_count),
    FIELD(needletail_boot_info, devices),
    FIELD(needletail_boot_info, image_base),
    FIELD(needletail_boot_info, image_size),
    FIELD(needletail_boot_info, heap_base),
    FIELD(needletail_boot_info, heap_size),
    FIELD(needletail_boot_info, stack_base),
    FIELD(needletail_boot_info, stack_size),
    FIELD(needletail_boot_info, memory_size),
    FIELD(needletail_boot_info, control_page),
    FIELD(needletail_boot_info, shared_page),
    FIELD(needletail_boot_info, clock),
    FIELD(needletail_boot_info, tsc_khz),
    FIELD(needletail_boot_info, wall_clock),
    FIELD(needletail_boot_info, stack_canary),
    FIELD(needletail_boot_info, seed),
    FIELD(needletail_boot_info, arguments),
    FIELD(needletail_boot_info, arguments_size),
    FIELD(needletail_boot_info, argument_count),

    FIELD(needletail_shared_page, milestones),
    FIELD(needletail_shared_page, console_length),
    FIELD(needletail_shared_page, panic_length),
    FIELD(needletail_shared_page, posted_count),
    FIELD(needletail_shared_page, reserved),
    FIELD(needletail_posted_write, offset),
    FIELD(needletail_posted_write, value),
};

static const struct layout_structure structures[] = {
    STRUCTURE(needletail_image_note),
    STRUCTURE(needletail_clock),
    STRUCTURE(needletail_device),
    STRUCTURE(needletail_device_declaration),
    STRUCTURE(needletail_boot_info),
    STRUCTURE(needletail_shared_page),
    STRUCTURE(needletail_posted_write),
};

const struct layout_field *layout_field_at(size_t index) { return index < COUNT(fields) ? &fields[index] : NULL; }

const struct layout_structure *layout_structure_at(size_t index) {
  return index < COUNT(structures) ? &structures[index] : NULL;
}
