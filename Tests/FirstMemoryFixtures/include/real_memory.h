// What the linker makes of libc's functions where it wraps them (--wrap), here by hand.
#pragma once
#include <stddef.h>

// How many blocks libc has given, and how many it got back.
size_t real_blocks_given(void);
size_t real_blocks_freed(void);
