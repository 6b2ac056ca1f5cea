internal import CLinux
internal import CLlama
internal import Foundation
internal import Glibc
internal import Synchronization

/// The engine host: a process of its own around llama.cpp, so that an abort there costs the requests that were in
/// it, never the gateway.
package enum EngineHost {
    /// Exit code where the model file is of no use; a restart would not mend it.
    package static let badModelCode: Int32 = 65
    /// Exit code where the socket or the arguments are.
    package static let badUsageCode: Int32 = 64

    private static let errorLines = Atomic<Int>(0)
    private static let maxErrorLines = 200
    private static let maxConnections = 64
    /// SCHED_BATCH, which the C library shows to GNU sources only.
    private static let schedBatch: Int32 = 3

    /// Serves until the process ends: with its parent, with its standard input, or by a signal. Errors go to the
    /// standard error, one line each.
    package static func run(_ options: EngineHostOptions) -> Never {
        settle(options)
        guard let listener = UnixSocket.listen(path: options.socket) else {
            fail("cannot listen on \(options.socket): \(String(cString: strerror(errno)))", code: badUsageCode)
        }
        // From here on nothing else can be opened; the threads below are bound by it, too.
        let confinement = HostConfinement(
            readable: [options.model] + options.readable, memoryLimit: options.memoryLimit)
        let inbox = EngineInbox(maxQueued: options.maxQueued, maxQueuedTotal: options.maxQueuedTotal)
        start("host-lifeline") { watchLifeline() }
        start("host-accept") { accept(listener, inbox) }
        start("host-engine") {
            do throws(ModelFailure) {
                try Engine(options: options, inbox: inbox, confinement: confinement).run()
            } catch {
                fail(error.description, code: badModelCode)
            }
        }
        while true { pause() }
    }

    private static func settle(_ options: EngineHostOptions) {
        // llama.cpp would start a debugger on an abort.
        setenv("GGML_NO_BACKTRACE", "1", 1)
        // Nor shall Swift's runtime print a backtrace, which takes seconds: requests wait for the next host.
        for crash in [SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP] { signal(crash, SIG_DFL) }
        signal(SIGPIPE, SIG_IGN)
        // A terminal's interrupt or hang-up goes to the gateway, which ends its hosts in order.
        signal(SIGINT, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        _ = clinux_die_with_parent(SIGKILL)
        // Work space of every size comes and goes with adapters and contexts: what is free shall be the machine's.
        _ = clinux_map_large_blocks(256 << 10)
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        _ = nice(options.niceness)
        var parameters = sched_param()
        sched_setscheduler(0, schedBatch, &parameters)
        llama_log_set(
            { level, text, _ in
                guard level == GGML_LOG_LEVEL_ERROR, let text else { return }
                guard EngineHost.errorLines.add(1, ordering: .relaxed).newValue <= EngineHost.maxErrorLines else {
                    return
                }
                _ = write(STDERR_FILENO, text, strlen(text))
            }, nil)
        llama_backend_init()
    }

    /// The gateway holds the other end of the standard input: it closes with the gateway, however that ends.
    private static func watchLifeline() {
        var byte: UInt8 = 0
        while true {
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { _exit(0) }
        }
    }

    private static func accept(_ listener: CInt, _ inbox: EngineInbox) {
        var number: UInt64 = 0
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                fail("cannot accept connections: \(String(cString: strerror(errno)))", code: badUsageCode)
            }
            number += 1
            guard number <= maxConnections else {
                close(descriptor)
                continue
            }
            HostConnection(descriptor: descriptor, number: number, inbox: inbox).start()
        }
    }

    private static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread { body() }
        thread.name = name
        thread.stackSize = 8 << 20
        thread.start()
    }

    private static func fail(_ text: String, code: Int32) -> Never {
        log(text)
        _exit(code)
    }

    /// Writes a line to the standard error, which is the host's log.
    static func log(_ text: String) {
        let line = "engine-host: \(text)\n"
        _ = write(STDERR_FILENO, line, line.utf8.count)
    }
}

/// Unix stream sockets, by path.
enum UnixSocket {
    /// A listening socket that only this user may connect to; nil with `errno` set.
    static func listen(path: String) -> CInt? {
        unlink(path)
        let before = umask(0o177)
        defer { umask(before) }
        return open(path) { bind($0, $1, $2) == 0 && Glibc.listen($0, 16) == 0 }
    }

    /// A connected socket that does not block; nil with `errno` set.
    static func connect(path: String) -> CInt? {
        // Connecting to a Unix socket never waits for the network; the mode is set behind it.
        guard let descriptor = open(path, { Glibc.connect($0, $1, $2) == 0 }) else { return nil }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return descriptor
    }

    private static func open(
        _ path: String, _ use: (CInt, UnsafePointer<sockaddr>, socklen_t) -> Bool
    ) -> CInt? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return nil
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let isDone = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                use(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if isDone { return descriptor }
        let code = errno
        close(descriptor)
        errno = code
        return nil
    }
}
