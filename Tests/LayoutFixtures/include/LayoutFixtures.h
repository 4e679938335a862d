// The layouts of the boot contract as the C compiler has them, for the tests that hold Swift's against them.
#pragma once

#include <stddef.h>

struct layout_field {
  const char *structure;
  const char *name;
  size_t offset;
  size_t size;
};

struct layout_structure {
  const char *name;
  size_t size;
  size_t alignment;
};

// The field or structure of that number; null behind the last one.
const struct layout_field *layout_field_at(size_t index);
const struct layout_structure *layout_structure_at(size_t index);
