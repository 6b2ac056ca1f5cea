internal import FoundationEssentials
internal import Glibc

/// A private PostgreSQL server for one gateway or one test run: its own files, its own socket, no network port.
///
/// All of its state is on disk and in the process table, so any number of values may name one cluster, in one process
/// or in several: `start` on a running cluster only tells its URL. Access is by a Unix socket in a directory that only
/// the owner can enter; the server listens on no TCP port: no password to keep, no port to collide with.
package struct EmbeddedCluster: Sendable {
    /// The superuser and the database every cluster has.
    package static let name = "gboost"
    /// Part of the socket's name; nothing listens on a port of that number.
    package static let port = 5432
    /// How long connections that their clients have closed may take to be gone.
    private static let closingTime = Duration.seconds(2)
    private static let fewestLooks = 3

    /// What may differ between clusters.
    package struct Options: Sendable {
        /// False gives up safety from a crash of the machine (not of the server) for speed. For tests only.
        package var isDurable = true
        /// How many connections the server takes.
        package var maxConnections = 100
        /// A `bin` directory to use and no other.
        package var binaries: String?
        /// How long start and stop may each take; recovery after a crash is part of a start.
        package var patience = Duration.seconds(120)
        /// Hears, in a few words, what a wait is for that takes longer than `noticeAfter`: once a wait.
        package var notice: (@Sendable (String) -> Void)?
        /// People wait that long without a word.
        package var noticeAfter = Duration.seconds(5)
        /// Stops the server and removes its files when this process ends, however it ends. For tests only.
        package var endsWithProcess = false

        /// A durable cluster that outlives the process.
        package init() {}

        /// A fast throw-away cluster, gone when this process ends.
        package static var forTests: Options {
            var options = Options()
            options.isDurable = false
            options.maxConnections = 300
            options.endsWithProcess = true
            return options
        }
    }

    /// How a server is told to stop.
    package enum StopMode: String, Sendable {
        /// Ends sessions, writes a checkpoint.
        case fast
        /// Ends at once; the next start recovers.
        case immediate
    }

    /// The directory, absolute, as the caller named it.
    package let directory: String
    /// What was asked for.
    package let options: Options

    /// Names a cluster; nothing happens on disk before `start`.
    package init(directory: String, options: Options = Options()) {
        self.directory = ClusterLocation.absolute(directory)
        self.options = options
    }

    /// Whether the main server process lives.
    package var isRunning: Bool { running != nil }

    /// Makes the cluster if there is none, starts it if it does not run, waits until it answers.
    ///
    /// - Returns: its URL, as libpq understands it.
    package func start() async throws -> String { try await attach().url }

    /// The same, and whether it ran already: who is first is known under the cluster's lock only.
    package func attach() async throws -> (url: String, wasRunning: Bool) {
        let lock = try await acquireLock()
        let location = try ClusterLocation.prepare(directory)
        if options.endsWithProcess { try await ExitWatchdog.arm(location) }
        let processes = ServerProcesses(data: location.data)
        let binaries = try await ServerBinaries.find(override: options.binaries, major: location.major)
        let wasRunning = processes.postmaster != nil
        if !wasRunning {
            if location.major == nil { try await initialize(location, binaries) }
            try await processes.clearOrphans()
            // With nobody left in the data directory, what a killed server left behind is known to be stale.
            for stale in [location.data + "/postmaster.pid", location.socket, location.socket + ".lock"] {
                try? FileManager.default.removeItem(atPath: stale)
            }
            try write(settings(location), to: location.data + "/postgresql.conf")
            try write("local all all trust\n", to: location.data + "/pg_hba.conf")
        }
        try await launch(location, binaries)
        withExtendedLifetime(lock) {}
        return (location.url, wasRunning)
    }

    /// Stops the server, if it runs, and waits until it is gone.
    package func stop(mode: StopMode = .fast) async throws {
        let lock = try await acquireLock()
        if let location = running { try await end(location, mode: mode) }
        withExtendedLifetime(lock) {}
    }

    /// Stops the server unless somebody is connected to it, or it cannot be asked. Connections that were closed just
    /// now may take a moment to be gone: they are waited for, under the lock, so that nobody starts or stops it
    /// meanwhile.
    package func stopIfUnused() async throws {
        let lock = try await acquireLock()
        guard let location = running else { return }
        let notice = notice("PostgreSQL in \(directory) to say who uses it", atMost: Psql.answerTime * Self.fewestLooks)
        defer { notice?.cancel() }
        let binaries = try await ServerBinaries.find(override: options.binaries, major: location.major)
        let psql = Psql(binaries: binaries, url: location.url)
        let deadline = ContinuousClock.now + Self.closingTime
        var isUsed = try await psql.hasCompany()
        var looks = 1
        // On a busy machine one look may take as long as all of them may.
        while isUsed, ContinuousClock.now < deadline || looks < Self.fewestLooks {
            try await Task.sleep(for: .milliseconds(50))
            isUsed = try await psql.hasCompany()
            looks += 1
        }
        if !isUsed { try await end(location, mode: .fast) }
        withExtendedLifetime(lock) {}
    }

    /// Where the server is, if it runs.
    private var running: ClusterLocation? {
        guard let location = ClusterLocation.existing(directory),
            ServerProcesses(data: location.data).postmaster != nil
        else { return nil }
        return location
    }

    private func end(_ location: ClusterLocation, mode: StopMode) async throws {
        let notice = notice("PostgreSQL in \(directory) to stop", atMost: options.patience)
        defer { notice?.cancel() }
        let binaries = try await ServerBinaries.find(override: options.binaries, major: location.major)
        var command = Command(
            binaries.pgCtl, "stop", "-D", location.data, "-m", mode.rawValue, "-w", "-t",
            String(options.patience.components.seconds))
        command.account = location.account
        command.directory = location.root
        let outcome = try await command.run()
        guard outcome.succeeded else {
            // Before it there is a dot for every second.
            let reason = outcome.text.split(separator: "\n").last { $0.hasPrefix("pg_ctl:") }.map(String.init)
            throw EmbeddedPostgresError(
                .stopFailed, "PostgreSQL in \(directory) did not stop: \(reason ?? outcome.text)")
        }
    }

    /// Kills the server as a crash would: SIGKILL, no warning. Returns when the processes are gone.
    ///
    /// - Parameter wholeTree: false kills the main process only and leaves the others to notice.
    package func killNine(wholeTree: Bool = true) async throws {
        guard let location = ClusterLocation.existing(directory) else { return }
        let processes = ServerProcesses(data: location.data)
        if let postmaster = processes.postmaster { kill(postmaster, SIGKILL) }
        if wholeTree { try await processes.killAll() }
        while processes.postmaster != nil { try await Task.sleep(for: .milliseconds(5)) }
    }

    /// Stops the server at once and removes all that belongs to it.
    package func destroy() async throws {
        let lock = try await acquireLock()
        if let location = ClusterLocation.existing(directory) {
            try await ServerProcesses(data: location.data).killAll()
            location.remove()
        }
        for path in [directory + ".lock", claimPath] { try? FileManager.default.removeItem(atPath: path) }
        withExtendedLifetime(lock) {}
    }
}

extension EmbeddedCluster {
    private func acquireLock() async throws -> FileLock {
        try makeParent()
        let limit = options.patience * 2
        let notice = notice("another process that starts or stops PostgreSQL in \(directory)", atMost: limit)
        defer { notice?.cancel() }
        return try await FileLock.acquire(directory + ".lock", within: limit)
    }

    /// Says what is waited for, unless the wait is over by then: whoever waits cancels it at the end.
    private func notice(_ what: String, atMost limit: Duration) -> Task<Void, Never>? {
        guard let notice = options.notice else { return nil }
        let (delay, seconds) = (options.noticeAfter, limit.components.seconds)
        return Task {
            do { try await Task.sleep(for: delay) } catch { return }
            notice("waiting for \(what), \(seconds) seconds at most")
        }
    }

    /// The lock files are beside the directory.
    func makeParent() throws {
        let parent = directory.split(separator: "/").dropLast().joined(separator: "/")
        do {
            try FileManager.default.createDirectory(atPath: "/" + parent, withIntermediateDirectories: true)
        } catch {
            throw EmbeddedPostgresError(.directoryUnusable, "The directory /\(parent) cannot be made: \(error).")
        }
    }

    /// Runs `initdb` beside the final place and moves the whole into it: a kill midway leaves nothing half made.
    private func initialize(_ location: ClusterLocation, _ binaries: ServerBinaries) async throws {
        try await ServerProcesses(data: location.unfinished).killAll()
        try? FileManager.default.removeItem(atPath: location.unfinished)
        var make = Command(
            binaries.initdb, "-D", location.unfinished, "-U", Self.name, "--encoding=UTF8", "--locale=C.UTF-8",
            "--auth-local=trust", "--auth-host=reject")
        if !options.isDurable { make.arguments.append("--no-sync") }
        // The single-user mode makes the database before anyone can connect: `data` never exists without it.
        var create = Command(binaries.postgres, "--single", "-D", location.unfinished, "postgres")
        create.input = "CREATE DATABASE \(Self.name);\n"
        for var command in [make, create] {
            command.account = location.account
            command.directory = location.root
            let outcome = try await command.run()
            guard outcome.succeeded else {
                try? FileManager.default.removeItem(atPath: location.unfinished)
                throw EmbeddedPostgresError(
                    .initializationFailed, "PostgreSQL's \(command.program) failed: \(outcome.text)")
            }
        }
        guard unsafe rename(location.unfinished, location.data) == 0 else {
            throw EmbeddedPostgresError(
                .initializationFailed, "\(location.data) cannot be made: \(systemMessage(errno)).")
        }
    }

    /// Starts the server and waits; for one that runs already, waits only.
    private func launch(_ location: ClusterLocation, _ binaries: ServerBinaries) async throws {
        let notice = notice("PostgreSQL in \(directory) to answer", atMost: options.patience)
        defer { notice?.cancel() }
        if ServerProcesses(data: location.data).postmaster == nil {
            var command = Command(
                binaries.pgCtl, "start", "-D", location.data, "-l", location.log, "-w", "-s", "-t",
                String(options.patience.components.seconds))
            command.account = location.account
            command.directory = location.root
            let outcome = try await command.run()
            guard outcome.succeeded else {
                throw EmbeddedPostgresError(
                    .startFailed,
                    "PostgreSQL did not start in \(directory) (its log: \(location.log)): \(location.lastLogLine).")
            }
        }
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: options.patience)
        while try await !Psql(binaries: binaries, url: location.url).answers() {
            guard clock.now < deadline, isRunning else { throw silence(location) }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Why a server that does not answer is given up.
    private func silence(_ location: ClusterLocation) -> EmbeddedPostgresError {
        let log = "its log (\(location.log)) ends: \(location.lastLogLine)"
        guard let process = ServerProcesses(data: location.data).postmaster else {
            return EmbeddedPostgresError(.startFailed, "PostgreSQL in \(directory) has ended; \(log).")
        }
        return EmbeddedPostgresError(
            .startFailed,
            "PostgreSQL in \(directory) runs, and has not answered for \(options.patience.components.seconds) seconds; "
                + "\(log). If it hangs, end its process \(process), by kill -9: the next start recovers.")
    }

    /// The whole of `postgresql.conf`. What an operator sets with ALTER SYSTEM still wins over it.
    func settings(_ location: ClusterLocation) -> String {
        let durable = options.isDurable ? "on" : "off"
        return """
            # Written at every start by the gateway; use ALTER SYSTEM for settings of your own.
            listen_addresses = ''
            port = \(Self.port)
            unix_socket_directories = '\(location.sockets)'
            unix_socket_permissions = 0700
            password_encryption = 'scram-sha-256'
            max_connections = \(options.maxConnections)
            shared_buffers = '64MB'
            fsync = \(durable)
            full_page_writes = \(durable)
            synchronous_commit = on
            max_wal_size = '512MB'
            timezone = 'UTC'
            log_timezone = 'UTC'
            log_line_prefix = '%m [%p] '
            datestyle = 'iso, ymd'
            default_text_search_config = 'pg_catalog.simple'

            """
    }

    private func write(_ text: String, to path: String) throws {
        do {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
        } catch {
            throw EmbeddedPostgresError(.directoryUnusable, "\(path) cannot be written: \(error).")
        }
    }
}
