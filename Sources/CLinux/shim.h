#ifndef CLINUX_SHIM_H
#define CLINUX_SHIM_H
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
// Declared by hand: _GNU_SOURCE would change the C library's types from what Swift's own Glibc module shows.
extern void *memmem(const void *, size_t, const void *, size_t);
extern int pthread_setname_np(pthread_t, const char *);
static inline const void *clinux_memmem(const void *h, size_t n, const void *p, size_t m) { return memmem(h, n, p, m); }
static inline int clinux_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
// Child processes: variadic or missing in what Swift sees.
extern long syscall(long, ...);
static inline int clinux_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0, 0, 0); }
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
static inline int clinux_spawn_closes_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
static inline int clinux_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
#include "confinement.h"
/* Blocks of this size and more are mapped one by one, and given back when freed. Without this the C library raises the
 * bound by itself once a larger block was freed, and what is freed later stays with the process. */
#include <malloc.h>
static inline int clinux_map_large_blocks(int bytes) { return mallopt(M_MMAP_THRESHOLD, bytes); }

#endif
