// What musl lacks of glibc's names, for a monitor that is linked with musl (docs/performance.md, "Why the monitor is linked with
// musl"). In C because other people's objects refer to these by C's names: Debian's libdw, libstdc++ and libgcc, compiled
// against glibc, and the Swift runtime. musl keeps glibc's layouts on x86-64, so what it has it also has for them.
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Swift seeds its hashes with it. getrandom(2) gives up to 256 bytes whole, once the kernel has any.
void arc4random_buf(void *bytes, size_t count) {
  char *next = bytes;
  while (count > 0) {
    size_t part = count < 256 ? count : 256;
    if (getrandom(next, part, 0) != (ssize_t)part) abort();
    next += part;
    count -= part;
  }
}

// musl has them from 1.2.5 on.
ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
  return syscall(SYS_preadv2, fd, vectors, count, offset, 0L /* the offset's upper half, on 32 bits */, flags);
}
ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
  return syscall(SYS_pwritev2, fd, vectors, count, offset, 0L, flags);
}

// libdw: what sprintf is when compiled with _FORTIFY_SOURCE, and its end when there is no memory (error(3)).
int __sprintf_chk(char *text, int flag, size_t size, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int count = vsnprintf(text, size, format, values);
  va_end(values);
  if (count < 0 || (size_t)count >= size) abort();
  return count;
}
void error(int status, int code, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  if (code != 0) fprintf(stderr, ": %s", strerror(code));
  fputc('\n', stderr);
  if (status != 0) _exit(status);
}

// libstdc++: whether it may count references without atomic operations. There are threads.
char __libc_single_threaded = 0;

// libgcc's unwinder, which then asks dl_iterate_phdr(3). Nothing here throws.
int _dl_find_object(void *address, void *result) { return -1; }
