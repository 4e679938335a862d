// What the network cases and the network benchmark need of Linux: sockets of the Internet protocols, network namespaces, TAP
// devices, and epoll with both directions.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

// Declared by sched.h only under _GNU_SOURCE, which a module's header cannot define for itself; so are its constants.
extern int unshare(int flags);
extern int setns(int fd, int kind);
enum { LINUX_CLONE_NEWNET = 0x40000000 };

// Attaches an open /dev/net/tun to the TAP device `name` of this network namespace, which is made if there is none. `flags`
// are 0, for frames that are read and written as they are on the wire, or IFF_VNET_HDR. What is passed is struct ifreq
// (netdevice(7)) as far as TUNSETIFF looks at it; the headers that define it exclude each other.
static inline int linux_attach_tap(int fd, const char *name, int flags) {
  struct {
    char name[16];
    short flags;
    char rest[22];
  } request = {.flags = IFF_TAP | IFF_NO_PI | flags};
  strncpy(request.name, name, sizeof request.name - 1);
  return ioctl(fd, TUNSETIFF, &request);
}

// The TAP device that `fd` is attached to stays when nobody is attached to it any more.
static inline int linux_keep_tap(int fd) { return ioctl(fd, TUNSETPERSIST, 1); }

// Adds (EPOLL_CTL_ADD) or changes (EPOLL_CTL_MOD) what is waited for.
static inline int linux_epoll_set(int poller, int operation, int fd, int reads, int writes) {
  struct epoll_event event = {.events = (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0), .data = {.fd = fd}};
  return epoll_ctl(poller, operation, fd, &event);
}

// Lets this process have as many descriptors as it may; returns how many that is. (The importer and glibc disagree about the
// type of the first argument.)
static inline unsigned long linux_raise_descriptor_limit(void) {
  struct rlimit limit = {0};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// poll with a time in nanoseconds; ppoll is declared only under _GNU_SOURCE.
extern int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *signals);
static inline int linux_poll_precisely(struct pollfd *fds, nfds_t count, const struct timespec *timeout) {
  return ppoll(fds, count, timeout, NULL);
}
