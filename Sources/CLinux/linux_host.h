// The libc and Linux declarations that the monitor uses, for Swift built in either mode.
//
// Embedded Swift has no Glibc overlay to import, so the monitor reaches libc through this header in both of its builds.
// Only what the importer cannot see is defined here: variadic functions, macros over casts, and `errno`.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static inline int linux_errno(void) { return errno; }
static inline void linux_set_errno(int code) { errno = code; }
// Newer than the headers of some distributions (Linux 5.14).
static inline int linux_populate_write(void) { return 23; }
static inline int linux_huge_pages(void) { return MADV_HUGEPAGE; }
static inline void *linux_map_failed(void) { return MAP_FAILED; }

// Variadic in C, so invisible to Swift.
static inline int linux_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }
static inline int linux_ioctl(int fd, unsigned long request, unsigned long argument) {
  return ioctl(fd, request, argument);
}
static inline int linux_ioctl_pointer(int fd, unsigned long request, void *argument) {
  return ioctl(fd, request, argument);
}

// Declared by unistd.h only under _GNU_SOURCE, which a module's header cannot define for itself.
extern int pipe2(int ends[2], int flags);
extern ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);

// readv that fails with EAGAIN rather than wait, whatever the flags of a file that others may share say: RWF_NOWAIT is 8,
// and the offset -1 means the file's own (preadv2(2)).
static inline ssize_t linux_readv_without_waiting(int fd, const struct iovec *vectors, int count) {
  return preadv2(fd, vectors, count, -1, 8);
}

// `sa_handler` is a macro over a union member.
static inline int linux_sigaction(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  return sigaction(signal, &action, 0);
}
// Interrupts the thread of a machine: the first one that the C library leaves to programs.
static inline int linux_stop_signal(void) { return SIGRTMIN; }
static inline int linux_ignore_signal(int signal) { return linux_sigaction(signal, SIG_IGN, 0); }
static inline int linux_default_signal(int signal) { return linux_sigaction(signal, SIG_DFL, 0); }
static inline int linux_signal_is_ignored(int signal) {
  struct sigaction action;
  return sigaction(signal, 0, &action) == 0 && action.sa_handler == SIG_IGN;
}
// Lets a signal that waits through to this thread, now.
static inline void linux_unblock_signal(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, 0);
}
// A descriptor that is readable when the signal has come; it comes to this thread no other way any more. Never waits.
static inline int linux_open_signal(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// ioctl_tty(2): only a master has a number. A macro over casts, which the importer does not see.
static inline int linux_is_pseudoterminal_master(int fd) {
  unsigned int number;
  return ioctl(fd, TIOCGPTN, &number) == 0;
}

// The terminal's mode while a guest reads from it: a byte at a time, and the guest echoes. Signals, the translation of
// carriage returns, flow control and everything about output stay as they are (termios(3)).
static inline void linux_set_guest_input(struct termios *mode) {
  mode->c_lflag &= ~(tcflag_t)(ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
  mode->c_cc[VMIN] = 1;
  mode->c_cc[VTIME] = 0;
}

// The importer and glibc disagree about the type of the first argument.
static inline int linux_setrlimit_cpu(const struct rlimit *limit) { return setrlimit(RLIMIT_CPU, limit); }
static inline int linux_setrlimit_address_space(const struct rlimit *limit) { return setrlimit(RLIMIT_AS, limit); }
static inline int linux_getrusage_self(struct rusage *usage) { return getrusage(RUSAGE_SELF, usage); }

// Embedded Swift's main drops its arguments. They are where the kernel has put them: their number, they, a null, and then the
// environment (x86-64 psABI, "Process Initialization"). Only while the environment is the one that the process began with. A null
// ends them; never null itself.
extern char **environ;
static inline char **linux_argument_vector(void) {
  char **first = environ - 1;
  // No pointer is as small as the number of arguments.
  for (uintptr_t count = 0; (uintptr_t)first[-1] != count; count++) first--;
  return first;
}

// struct epoll_event is packed and has a union, which Swift sees as a tuple of bytes.
static inline int linux_epoll_add(int poller, int fd, int for_reading) {
  struct epoll_event event = {.events = for_reading ? EPOLLIN : EPOLLOUT, .data = {.fd = fd}};
  return epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}
static inline int linux_epoll_remove(int poller, int fd) { return epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL); }
static inline int linux_epoll_wait(int poller, int *ready, int limit, int timeout) {
  struct epoll_event events[16];
  int count = epoll_wait(poller, events, limit < 16 ? limit : 16, timeout);
  for (int i = 0; i < count; i++) ready[i] = events[i].data.fd;
  return count;
}

// A thread that takes no signals: they are for the thread that runs the guest. But for its own faults, whose handlers would
// else be passed over; and for SIGTTIN, without which reading a terminal from the background is an error instead of a stop.
// Returns an error number.
static inline int linux_start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN};
  for (unsigned i = 0; i < sizeof own / sizeof own[0]; i++) sigdelset(&all, own[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int result = pthread_create(thread, NULL, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

static inline uint64_t linux_read_tsc(void) { return __builtin_ia32_rdtsc(); }

// The CPUID instruction (Intel SDM vol. 2); registers in the order EAX, EBX, ECX, EDX.
typedef struct {
  uint32_t eax, ebx, ecx, edx;
} linux_cpuid_result;
static inline linux_cpuid_result linux_cpuid(uint32_t leaf, uint32_t subleaf) {
  linux_cpuid_result result;
  __asm__ volatile("cpuid"
                   : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                   : "a"(leaf), "c"(subleaf));
  return result;
}

// XCR0: the processor states that the kernel has enabled. Only where CPUID says OSXSAVE (Intel SDM vol. 2, XGETBV).
static inline uint64_t linux_enabled_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
