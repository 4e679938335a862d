#ifndef NEEDLETAIL_DEMANGLERS_H
#define NEEDLETAIL_DEMANGLERS_H

#include <stddef.h>

namespace needletail {

// Both write the readable form of a name to `output` (at most `capacity` bytes, what is left is cut off, no terminator)
// and return the number of bytes written, 0 if the name cannot be demangled. Neither is fit for a hostile name: see
// demangle.cpp.

/// Demangles a Swift name.
size_t demangleSwift(const char *mangled, size_t length, char *output, size_t capacity);

/// Demangles a NUL-terminated C++ name.
size_t demangleCxx(const char *mangled, char *output, size_t capacity);

} // namespace needletail

#endif
