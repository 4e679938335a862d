#ifndef NEEDLETAIL_CDEMANGLE_H
#define NEEDLETAIL_CDEMANGLE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Writes the human-readable form of a mangled Swift or C++ symbol name.
///
/// Swift names (`$s`, `$S`, `$e` of Embedded Swift, `_T0`) come out as `swift demangle -simplified` prints them, which
/// is also what the Swift runtime prints in its own backtraces: `static Hello.main()`, with neither module nor argument
/// types. C++ names (`_Z`) come out as `c++filt` prints them.
///
/// The name may come from a hostile file. It is demangled in a child process that gets 20 ms of processor time, so that
/// a name made to crash or occupy the demangler counts as one that cannot be demangled. That costs a fork (0.2 ms): it
/// is meant for the few names of a backtrace. Where fork, pipe2, wait4, setitimer or prctl is denied, nothing is
/// demangled.
///
/// Calls may be made from several threads at once, but not from a signal handler.
///
/// - Parameters:
///   - mangled: `length` bytes of the symbol name; no terminator is needed.
///   - length: The number of bytes of the name, without a terminator.
///   - output: Receives the text and a terminating NUL, without control characters (`?` stands for each byte of one).
///     It is UTF-8 if the name was. A result that does not fit is cut at a character boundary.
///   - capacity: The size of `output` in bytes.
/// - Returns: The number of bytes written before the NUL, or 0 if the name is not mangled or cannot be demangled: then
///   `output` holds the empty string (if `capacity` is not 0).
size_t needletail_demangle(const char *mangled, size_t length, char *output, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
