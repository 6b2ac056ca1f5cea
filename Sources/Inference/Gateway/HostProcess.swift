internal import CLinux
internal import Foundation
internal import Glibc
internal import ThreadExecutor

/// How a host process ended.
enum HostExit: Hashable, Sendable {
    case code(Int32)
    case signal(Int32)
    /// It could not even be started.
    case notStarted(String)
}

/// One engine host process: started, signalled and waited for on the loop's thread.
actor HostProcess {
    nonisolated let loop: EngineLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    private(set) var pid: pid_t = 0
    private var descriptor: CInt = -1
    /// Our end of the host's standard input: it ends when this closes.
    private var lifeline: CInt = -1
    private var ended: HostExit?

    init(loop: EngineLoop) { self.loop = loop }

    /// For hosts, where the environment does not say otherwise. The threads of a host wait for each other hundreds of
    /// times a token, and spin meanwhile: by default for milliseconds. Where hosts have more threads than the machine
    /// has processors, the one that is waited for then does not get to run: two hosts of two threads on two processors
    /// generate 26 tokens a second each with these 100 µs, 4 with ten times that; one alone 119 instead of 122.
    static let environment = ["GOMP_SPINCOUNT": "2000"]

    /// Starts the executable; the standard error goes to the file `log`.
    func start(executable: String, arguments: [String], log: String) -> HostExit? {
        var ends: [CInt] = [-1, -1]
        let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return .notStarted(String(cString: strerror(errno))) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = clinux_spawn_closes_from(&actions, 3)
        // The gateway's blocked and ignored signals are not for the host.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var argv = ([executable] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        let own = ProcessInfo.processInfo.environment.merging(Self.environment) { given, _ in given }
        var variables = own.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for variable in variables { free(variable) } }
        var child: pid_t = 0
        let code = posix_spawn(&child, executable, &actions, &attributes, &argv, &variables)
        guard code == 0 else {
            close(ends[1])
            return .notStarted("\(executable): \(String(cString: strerror(code)))")
        }
        pid = child
        lifeline = ends[1]
        descriptor = clinux_pidfd_open(child)
        return nil
    }

    /// Waits until the process is gone, and its resources with it. For one caller: a descriptor has one waiter.
    func waitForExit() async -> HostExit {
        while true {
            if let ended { return ended }
            var status: CInt = 0
            let result = waitpid(pid, &status, WNOHANG)
            if result == pid || (result < 0 && errno == ECHILD) {
                let exit: HostExit = status & 0x7F == 0 ? .code((status >> 8) & 0xFF) : .signal(status & 0x7F)
                ended = exit
                release()
                return exit
            }
            do {
                _ = try await withCheckedThrowingContinuation { loop.wait.park(descriptor, for: .read, $0) }
            } catch {
                // No readiness for this descriptor: look again a little later.
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    func kill() {
        guard pid > 0, ended == nil else { return }
        Glibc.kill(pid, SIGKILL)
    }

    /// Asks the process to end.
    func letGo() {
        guard lifeline >= 0 else { return }
        close(lifeline)
        lifeline = -1
    }

    private func release() {
        letGo()
        if descriptor >= 0 {
            loop.wait.forget(descriptor)
            close(descriptor)
            descriptor = -1
        }
    }
}
