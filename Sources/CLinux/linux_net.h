// What the network device needs of Linux: TAP interfaces (Documentation/networking/tuntap.rst) and local sockets.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

// Declared by unistd.h only under _GNU_SOURCE, which a module's header cannot define for itself.
extern int pipe2(int ends[2], int flags);
extern char **environ;

// The longest name of an interface, without its terminator.
enum { LINUX_INTERFACE_NAME_LIMIT = IFNAMSIZ - 1 };

// Makes an opening of /dev/net/tun the other end of the interface `name`, with a virtio_net_hdr before each frame; makes
// the interface if there is none. `name` is no longer than the limit.
static inline int linux_tap_attach(int fd, const char *name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  strncpy(request.ifr_name, name, LINUX_INTERFACE_NAME_LIMIT);
  return ioctl(fd, TUNSETIFF, &request);
}
// The IFF_ flags of the interface behind a descriptor; -1 if it is no interface's.
static inline int linux_tap_flags(int fd) {
  struct ifreq request = {0};
  return ioctl(fd, TUNGETIFF, &request) == 0 ? (uint16_t)request.ifr_flags : -1;
}
static inline int linux_tap_set_header_size(int fd, int size) { return ioctl(fd, TUNSETVNETHDRSZ, &size); }
// What whoever reads frames does himself, as TUN_F_ flags.
static inline int linux_tap_set_offloads(int fd, unsigned int flags) { return ioctl(fd, TUNSETOFFLOAD, flags); }

// The most that a packet through an interface may have; -1 if there is no such interface.
static inline int linux_interface_mtu(const char *name) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, LINUX_INTERFACE_NAME_LIMIT);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result = ioctl(fd, SIOCGIFMTU, &request);
  int code = errno;
  close(fd);
  errno = code;
  return result == 0 ? request.ifr_mtu : -1;
}

// Whether a descriptor does not wait is a flag of the open file, which whoever shares it has as well.
static inline int linux_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

// The kind of a socket (SOCK_STREAM, ...); -1 if the descriptor is none.
static inline int linux_socket_kind(int fd) {
  int kind = -1;
  socklen_t size = sizeof kind;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 ? kind : -1;
}

// A stream connected to a listening local socket; -1 with ENAMETOOLONG for a path that no address has room for.
static inline int linux_connect_local(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int result;
  do {
    result = connect(fd, (const struct sockaddr *)&address, sizeof address);
  } while (result < 0 && errno == EINTR);
  if (result == 0) return fd;
  int code = errno;
  close(fd);
  errno = code;
  return -1;
}

static inline int linux_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

// Reading and writing a socket without ever waiting, whatever its flags say, and without SIGPIPE.
static inline ssize_t linux_receive_vectors(int fd, const struct iovec *vectors, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (size_t)count};
  return recvmsg(fd, &message, MSG_DONTWAIT);
}
static inline ssize_t linux_send_vectors(int fd, const struct iovec *vectors, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (size_t)count};
  return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static inline int linux_close_on_exec(int fd) { return fcntl(fd, F_SETFD, FD_CLOEXEC); }

// Asks for room for `size` bytes on their way in each direction of a socket (socket(7)): beyond the limits of the sysctls
// net.core.wmem_max and rmem_max if this process may, else as far as those go.
static inline void linux_widen_socket(int fd, int size) {
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

// Nothing more will be written to a socket by this end.
static inline int linux_finish_writing(int fd) { return shutdown(fd, SHUT_WR); }

// Two connected local sockets of bytes, and a pipe that does not wait; neither survives exec.
static inline int linux_open_local_pair(int *one, int *other) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -1;
  *one = ends[0];
  *other = ends[1];
  return 0;
}
static inline int linux_open_pipe(int *reader, int *writer) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -1;
  *reader = ends[0];
  *writer = ends[1];
  return 0;
}

// Whether a port of an address, in its text form, could be listened on by this process: 0, or an errno value. Sockets of other
// processes that only close do not count for TCP (SO_REUSEADDR; ip(7), tcp(7)).
static inline int linux_probe_port(const char *address, uint16_t port, int is_udp) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } name = {0};
  socklen_t size;
  if (inet_pton(AF_INET, address, &name.v4.sin_addr) == 1) {
    name.v4.sin_family = AF_INET;
    name.v4.sin_port = htons(port);
    size = sizeof name.v4;
  } else if (inet_pton(AF_INET6, address, &name.v6.sin6_addr) == 1) {
    name.v6.sin6_family = AF_INET6;
    name.v6.sin6_port = htons(port);
    size = sizeof name.v6;
  } else {
    return EINVAL;
  }
  int fd = socket(name.any.sa_family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int yes = 1;
  if (!is_udp) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (name.any.sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
  int code = bind(fd, &name.any, size) < 0 ? errno : 0;
  close(fd);
  return code;
}

// Orphans among this process's descendants become its children (prctl(2)).
static inline void linux_become_subreaper(void) { prctl(PR_SET_CHILD_SUBREAPER, 1); }
// What ps(1) calls this process, up to 15 bytes.
static inline void linux_name_process(const char *name) { prctl(PR_SET_NAME, name); }

// Makes three descriptors 3, 4 and 5, and closes every other: in a child that is to hold nothing else of its parent's.
static inline int linux_keep_descriptors(int first, int second, int third) {
  // Out of the way of each other.
  int moved[3] = {fcntl(first, F_DUPFD, 6), fcntl(second, F_DUPFD, 6), fcntl(third, F_DUPFD, 6)};
  for (int index = 0; index < 3; index++)
    if (moved[index] < 0 || dup2(moved[index], 3 + index) < 0) return -1;
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  close(STDERR_FILENO);
  // Linux 5.9; before, what was opened to be closed on exec stays open in this process alone.
  syscall(SYS_close_range, 6, ~0U, 0);
  return 0;
}

// Swift does not let a variable of C's be read that any thread could change; nobody here does.
static inline char **linux_environment(void) { return environ; }
