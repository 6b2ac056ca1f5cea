import Foundation
import Synchronization
import Testing

@testable import EmbeddedPostgres

/// The real server, its files in a temporary directory each test owns.
@Suite(.serialized)
struct EmbeddedClusterTests {
    private func withCluster(
        _ function: String = #function, _ body: (EmbeddedCluster) async throws -> Void
    ) async throws {
        let name = "gboost-\(getpid())-\(function.prefix { $0 != "(" })"
        let parent = FileManager.default.temporaryDirectory.path + "/\(name)"
        let cluster = EmbeddedCluster(directory: parent + "/postgres", options: .forTests)
        defer { try? FileManager.default.removeItem(atPath: parent) }
        do {
            try await body(cluster)
            try await cluster.destroy()
        } catch {
            try await cluster.destroy()
            throw error
        }
    }

    private func psql(_ url: String) async throws -> Psql {
        Psql(binaries: try await ServerBinaries.find(override: nil, major: nil), url: url)
    }

    private func location(_ cluster: EmbeddedCluster) throws -> ClusterLocation {
        try #require(ClusterLocation.existing(cluster.directory))
    }

    @Test("starts, answers in UTF-8, starts again without effect, stops")
    func startAndStop() async throws {
        try await withCluster { cluster in
            #expect(!cluster.isRunning)
            let url = try await cluster.start()
            let first = ServerProcesses(data: try location(cluster).data).postmaster
            #expect(try await cluster.start() == url)
            #expect(ServerProcesses(data: try location(cluster).data).postmaster == first)
            #expect(cluster.isRunning)
            let answer = try await psql(url).run("SELECT current_database() || current_setting('server_encoding')")
            #expect(answer == "gboostUTF8\n")
            try await cluster.stop()
            #expect(!cluster.isRunning)
            try await cluster.stop()
        }
    }

    @Test("listens on no TCP port, and only its owner can enter the socket's directory")
    func privateSocket() async throws {
        try await withCluster { cluster in
            let url = try await cluster.start()
            #expect(try await psql(url).run("SHOW listen_addresses") == "\n")
            let sockets = try location(cluster).sockets
            let mode = try FileManager.default.attributesOfItem(atPath: sockets)[.posixPermissions] as? Int
            #expect(mode == 0o700)
        }
    }

    @Test("keeps its data over kill −9", arguments: [true, false])
    func killNine(wholeTree: Bool) async throws {
        try await withCluster("killNine\(wholeTree)") { cluster in
            let url = try await cluster.start()
            try await psql(url).run("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
            try await cluster.killNine(wholeTree: wholeTree)
            #expect(!cluster.isRunning)
            #expect(try await cluster.start() == url)
            #expect(try await psql(url).run("SELECT sum(n) FROM kept") == "500500\n")
        }
    }

    @Test("is not misled by a stale process id that now belongs to another program")
    func stalePid() async throws {
        try await withCluster { cluster in
            let url = try await cluster.start()
            try await cluster.killNine()
            let file = try location(cluster).data + "/postmaster.pid"
            var lines = try String(contentsOfFile: file, encoding: .utf8).components(separatedBy: "\n")
            // Whoever runs the tests: a process that lives, and that is not the server.
            lines[0] = String(getpid())
            try lines.joined(separator: "\n").write(toFile: file, atomically: false, encoding: .utf8)
            #expect(!cluster.isRunning)
            try await cluster.stop()
            #expect(try await cluster.start() == url)
        }
    }

    @Test("makes the cluster anew when its making was cut short")
    func cutShort() async throws {
        try await withCluster { cluster in
            let making = Task { try await cluster.start() }
            var unfinished: String?
            while unfinished == nil {
                try await Task.sleep(for: .milliseconds(2))
                guard let place = ClusterLocation.existing(cluster.directory) else { continue }
                if FileManager.default.fileExists(atPath: place.unfinished + "/global") {
                    unfinished = place.unfinished
                }
            }
            try await ServerProcesses(data: try #require(unfinished)).killAll()
            _ = try? await making.value
            // What a kill of the whole process tree leaves behind: a half-made directory, and no final one.
            let place = try location(cluster)
            try await cluster.killNine()
            try? FileManager.default.moveItem(atPath: place.data, toPath: place.unfinished)
            try? FileManager.default.removeItem(atPath: place.unfinished + "/global/pg_control")
            try? FileManager.default.createDirectory(
                atPath: place.unfinished + "/half", withIntermediateDirectories: true)
            let url = try await cluster.start()
            #expect(try await psql(url).run("SELECT 1") == "1\n")
            #expect(!FileManager.default.fileExists(atPath: place.data + "/half"))
        }
    }

    @Test("two starters at the same time get one server")
    func twoStarters() async throws {
        try await withCluster { cluster in
            async let one = EmbeddedCluster(directory: cluster.directory, options: cluster.options).start()
            async let other = EmbeddedCluster(directory: cluster.directory, options: cluster.options).start()
            let urls = try await [one, other]
            #expect(urls[0] == urls[1])
            #expect(cluster.isRunning)
        }
    }

    @Test("has one gateway at a time, which starts it again when it dies, and stops it at its end")
    func occupied() async throws {
        try await withCluster { cluster in
            let gateway = try await cluster.occupy()
            let refused = await #expect(throws: EmbeddedPostgresError.self) { try await cluster.occupy() }
            #expect(refused?.code == .occupied)
            #expect(gateway.isRunning)
            try await cluster.killNine()
            #expect(!gateway.isRunning)
            try await gateway.revive()
            #expect(gateway.isRunning)
            #expect(try await psql(gateway.url).run("SELECT 1") == "1\n")
            await gateway.leave()
            #expect(!gateway.isRunning)
            let next = try await cluster.occupy()
            await next.leave()
            #expect(!FileManager.default.fileExists(atPath: cluster.claimPath))
        }
    }

    @Test("one that a gateway found running is stopped by it, unless somebody else is connected")
    func lastOut() async throws {
        try await withCluster { cluster in
            let url = try await cluster.start()
            let asking = try await psql(url)
            let gateway = try await cluster.occupy()
            let guest = Task { try? await asking.run("SELECT pg_sleep(600)") }
            while try await !asking.hasCompany() { try await Task.sleep(for: .milliseconds(10)) }
            await gateway.leave()
            #expect(cluster.isRunning)
            #expect(!FileManager.default.fileExists(atPath: cluster.claimPath))
            try await asking.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'")
            _ = await guest.value
            try await cluster.occupy().leave()
            #expect(!cluster.isRunning)
            try await cluster.stopIfUnused()
        }
    }

    @Test("works where the path is too long, or too odd, for a socket")
    func longPath() async throws {
        let odd = String(repeating: "a long, odd 'name' ", count: 6)
        try await withCluster("longPath-\(odd)") { cluster in
            let url = try await cluster.start()
            #expect(try await psql(url).run("SELECT 1") == "1\n")
            let socket = try location(cluster).socket
            #expect(socket.utf8.count <= ClusterLocation.socketPathLimit)
            #expect(FileManager.default.fileExists(atPath: socket))
        }
    }

    @Test("leaves nothing behind when the process that owns it is killed")
    func watchdog() async throws {
        try await withCluster { cluster in
            var options = cluster.options
            options.endsWithProcess = false
            let kept = EmbeddedCluster(directory: cluster.directory, options: options)
            _ = try await kept.start()
            let place = try location(kept)
            let file = place.named + ".alive"
            // `flock` holds the lock as the owner would; killing it is the owner's death.
            let owner = Process()
            owner.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
            owner.arguments = ["--no-fork", "-x", file, "sleep", "600"]
            try owner.run()
            while try FileLock.attempt(file) != nil { try await Task.sleep(for: .milliseconds(5)) }
            try await ExitWatchdog.watch(place, lockFile: file)
            try await Task.sleep(for: .milliseconds(200))
            #expect(kept.isRunning)
            kill(owner.processIdentifier, SIGKILL)
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(60)
            while FileManager.default.fileExists(atPath: file), clock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(!kept.isRunning)
            #expect(ServerProcesses(data: place.data).all.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: place.root))
        }
    }

    /// A server that runs and does not move, and what another command meets there.
    private func withHanging(
        _ function: String = #function, options: (Int32) -> EmbeddedCluster.Options,
        _ body: (EmbeddedCluster, Int32) async throws -> Void
    ) async throws {
        try await withCluster(function) { cluster in
            _ = try await cluster.start()
            let server = try #require(ServerProcesses(data: try location(cluster).data).postmaster)
            try #require(kill(server, SIGSTOP) == 0)
            let other = EmbeddedCluster(directory: cluster.directory, options: options(server))
            do { try await body(other, server) } catch {
                kill(server, SIGCONT)
                throw error
            }
            kill(server, SIGCONT)
        }
    }

    @Test("one that hangs is given up when its time is over, by the name of its process and what ends it")
    func hangs() async throws {
        func hasty(_ server: Int32) -> EmbeddedCluster.Options {
            var options = EmbeddedCluster.Options.forTests
            options.patience = .seconds(1)
            return options
        }
        try await withHanging(options: hasty) { cluster, server in
            let error = await #expect(throws: EmbeddedPostgresError.self) { try await cluster.start() }
            #expect(error?.code == .startFailed)
            for words in ["has not answered for 1 seconds", "end its process \(server), by kill -9"] {
                #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
            }
        }
    }

    /// Keeps what is said.
    private final class Told: Sendable {
        private let kept = Mutex<[String]>([])
        var texts: [String] { kept.withLock { $0 } }
        func add(_ text: String) { kept.withLock { $0.append(text) } }
    }

    @Test("while one hangs it is said what is waited for, and how long at most")
    func notice() async throws {
        let told = Told()
        // Nothing else lets the server go on: without the notice the start fails.
        func waking(_ server: Int32) -> EmbeddedCluster.Options {
            var options = EmbeddedCluster.Options.forTests
            options.noticeAfter = .milliseconds(1)
            options.notice = { text in
                told.add(text)
                if text.contains("to answer") { kill(server, SIGCONT) }
            }
            return options
        }
        try await withHanging(options: waking) { cluster, _ in
            _ = try await cluster.start()
            let text = "waiting for PostgreSQL in \(cluster.directory) to answer, 120 seconds at most"
            #expect(told.texts.contains(text), "\(told.texts)")
        }
    }

    @Test("says in one sentence that a directory of programs has no server in it")
    func noBinaries() async throws {
        try await withCluster { cluster in
            var options = cluster.options
            options.binaries = "/nonexistent"
            let broken = EmbeddedCluster(directory: cluster.directory, options: options)
            let error = await #expect(throws: EmbeddedPostgresError.self) { try await broken.start() }
            #expect(error?.code == .binariesMissing)
            #expect(error?.message.contains("/nonexistent") == true)
        }
    }
}
