#ifndef CLINUX_SHIM_H
#define CLINUX_SHIM_H
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
// Declared by hand: _GNU_SOURCE would change the C library's types from what Swift's own Glibc module shows.
extern void *memmem(const void *, size_t, const void *, size_t);
extern int pthread_setname_np(pthread_t, const char *);
static inline const void *clinux_memmem(const void *h, size_t n, const void *p, size_t m) { return memmem(h, n, p, m); }
static inline int clinux_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
#endif
