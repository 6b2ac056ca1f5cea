#ifndef CLINUX_CONFINEMENT_H
#define CLINUX_CONFINEMENT_H
// What a process can give up for good, by system calls that the C library has no functions for.
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
extern long syscall(long, ...);

// Never again more privileges than now, by whatever is executed. 0, or an errno.
static inline int clinux_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0; }

// Gives up every capability. 0, or an errno.
static inline int clinux_drop_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    return syscall(SYS_capset, &header, none) ? errno : 0;
}

// A rule set by which this thread, and those that it starts, may use no file, TCP port, foreign process or abstract
// socket. Later kernels know more of these; each is asked for what it knows. A descriptor, or an errno negated.
static inline int clinux_landlock_begin(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0) return -errno;
    uint64_t rights[3] = {(1ULL << 13) - 1, 0, 0};  // files, network, scopes
    if (abi >= 2) rights[0] |= 1ULL << 13;          // links between directories
    if (abi >= 3) rights[0] |= 1ULL << 14;          // truncation
    if (abi >= 5) rights[0] |= 1ULL << 15;          // device control
    if (abi >= 4) rights[1] = 3;                    // TCP: bind, connect
    if (abi >= 6) rights[2] = 3;                    // abstract sockets, signals
    size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    long set = syscall(SYS_landlock_create_ruleset, rights, size, 0);
    return set < 0 ? -errno : (int)set;
}

// Lets a rule set read a file, or a directory and all beneath it. 0, or an errno.
static inline int clinux_landlock_read(int set, const char *path) {
    int target = open(path, O_RDONLY | O_CLOEXEC);
    if (target < 0) return errno;
    struct landlock_path_beneath_attr rule = {LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, target};
    long failed = syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (failed && errno == EINVAL) {  // no directory
        rule.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE;
        failed = syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    }
    int code = failed ? errno : 0;
    close(target);
    return code;
}

// Puts a rule set in force and closes it. 0, or an errno.
static inline int clinux_landlock_end(int set) {
    int code = syscall(SYS_landlock_restrict_self, set, 0) ? errno : 0;
    close(set);
    return code;
}

#if defined(__x86_64__)
#define CLINUX_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CLINUX_AUDIT_ARCH AUDIT_ARCH_AARCH64
#endif

// No other programs, no processes, no sockets but Unix ones and none connected or bound, no look into other processes
// and no signals to them, no changes to the system: EPERM. For all threads of the process. 0, or an errno.
static inline int clinux_forbid_calls(void) {
#if !defined(CLINUX_AUDIT_ARCH)
    return ENOSYS;
#else
    static const int forbidden[] = {
        SYS_execve, SYS_execveat, SYS_connect, SYS_bind, SYS_listen, SYS_ptrace, SYS_process_vm_readv,
        SYS_process_vm_writev, SYS_io_uring_setup, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_mount,
        SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, SYS_keyctl, SYS_add_key, SYS_request_key,
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_open_by_handle_at,
        SYS_personality, SYS_pidfd_getfd, SYS_pidfd_send_signal, SYS_kill, SYS_tkill,
#if defined(__x86_64__)
        SYS_fork, SYS_vfork,
#endif
    };
    enum { count = sizeof(forbidden) / sizeof(forbidden[0]) };
    const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    struct sock_filter code[28 + 2 * count];
    unsigned short n = 0;
#define CLINUX_EMIT(...) code[n++] = (struct sock_filter)__VA_ARGS__
    CLINUX_EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLINUX_AUDIT_ARCH, 1, 0));
    code[n++] = refuse;
    CLINUX_EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));  // x32 has numbers of its own
    code[n++] = refuse;
    for (int i = 0; i < count; i++) {
        CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)forbidden[i], 0, 1));
        code[n++] = refuse;
    }
    // clone3 has its flags in memory, where a filter cannot see them: the C library then does without.
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
    CLINUX_EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    // Threads, but no processes.
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4));
    CLINUX_EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x00010000, 0, 1));
    CLINUX_EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    code[n++] = refuse;
    // Signals to itself only: an abort is one.
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 4));
    CLINUX_EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)getpid(), 0, 1));
    CLINUX_EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    code[n++] = refuse;
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3));
    CLINUX_EMIT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])));
    CLINUX_EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0));
    code[n++] = refuse;
    CLINUX_EMIT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
#undef CLINUX_EMIT
    struct sock_fprog program = {n, code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) ? errno : 0;
#endif
}

// Tries what a confined process must not be able to do; 0 where it could. The numbers name the tries.
static inline int clinux_probe(int attempt) {
    long result = -1;
    char *none[] = {NULL};
    switch (attempt) {
    case 0: result = open("/etc/passwd", O_RDONLY | O_CLOEXEC); break;
    case 1: result = open("/tmp/gboost-probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600); break;
    case 2: result = socket(AF_INET, SOCK_STREAM, 0); break;
    case 3: result = syscall(SYS_execve, "/bin/true", none, none); break;
    case 4:
        result = syscall(SYS_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);
        if (result == 0) _exit(0);
        break;
    case 5: result = syscall(SYS_ptrace, 16 /* attach */, getppid(), 0, 0); break;
    case 6: result = syscall(SYS_kill, getppid(), 0); break;
    default: return EINVAL;
    }
    return result < 0 ? errno : 0;
}
#endif
