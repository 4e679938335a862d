// What the block device needs of Linux: vectored input and output at an offset, holes, locks, and facts about block devices.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

// Declared only under _GNU_SOURCE, which a module's header cannot define for itself.
extern ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
extern ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
extern int fallocate(int fd, int mode, off_t offset, off_t length);

// Macros over casts, which the importer does not see.
static inline int linux_rwf_dsync(void) { return RWF_DSYNC; }
static inline int linux_rwf_nowait(void) { return RWF_NOWAIT; }
static inline unsigned long linux_blkgetsize64(void) { return BLKGETSIZE64; }
static inline unsigned long linux_blksszget(void) { return BLKSSZGET; }

// Defined only under _GNU_SOURCE: the values of asm-generic/fcntl.h, which x86-64 has.
static inline int linux_o_direct(void) { return 040000; }
enum { LINUX_F_OFD_SETLK = 37 };

// The importer and glibc disagree about the type of the first argument.
static inline int linux_getrlimit_file_size(struct rlimit *limit) { return getrlimit(RLIMIT_FSIZE, limit); }

// Locks a whole file for the open file description, fcntl(2) "Open file description locks": other openings of it, in this process
// or another, are refused with EAGAIN.
static inline int linux_lock_file(int fd, int exclusive) {
  struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
  return fcntl(fd, LINUX_F_OFD_SETLK, &lock);
}

static inline int linux_is_in_memory(int fd) {
  struct statfs facts;
  return fstatfs(fd, &facts) == 0 && facts.f_type == TMPFS_MAGIC;
}

// The alignments of memory and of offsets that O_DIRECT needs, in bytes; 0 for both when the kernel does not say (before
// Linux 6.1) or the file cannot do it. statx(2), STATX_DIOALIGN.
static inline void linux_direct_alignment(int fd, uint32_t *memory, uint32_t *offset) {
  struct statx facts = {0};
  *memory = *offset = 0;
  if (syscall(SYS_statx, fd, "", 0x1000 /* AT_EMPTY_PATH */, STATX_DIOALIGN, &facts) == 0 &&
      (facts.stx_mask & STATX_DIOALIGN)) {
    *memory = facts.stx_dio_mem_align;
    *offset = facts.stx_dio_offset_align;
  }
}
