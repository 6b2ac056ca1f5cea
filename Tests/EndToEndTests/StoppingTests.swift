import Curl
import Foundation
import Postgres
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let ignoresHangUp =
        (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8))?
        .firstMatch(of: /SigIgn:\s+[0-9a-f]*[13579bdf]\n/) != nil

    @Test(
        "a hang-up lets a running answer end, settles it and leaves no hold",
        .enabled(if: !ignoresHangUp, "started under nohup, where a gateway lets a hang-up be"))
    func hangUp() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway()
            try await world.faults("latency:3000@SLOW")
            let asked = Task {
                try await gateway.ask("SLOW " + Self.question, model: "sim/sim-large", key: key, maxTokens: 50)
            }
            try await Self.eventually("the call is out") { try await Books.read(world, tenant: "acme").held > 0 }
            kill(gateway.program.processID, SIGHUP)
            #expect(try await asked.value.status == 200)
            #expect(await gateway.program.died())
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.held == 0 && books.unreconciled.isEmpty)
        }
    }

    @Test("an answer that takes longer than a stop waits is ended, and settled by the process that it ends with")
    func outOfTime() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            try await world.faults("trickle:3000@SLOW")
            for seconds in ["0", "1"] {
                let gateway = try await world.gateway(arguments: ["--set", "server.drain_seconds=\(seconds)"])
                let body = try gateway.body(
                    "SLOW " + Self.question, model: "sim/sim-large", maxTokens: 100, stream: true)
                let stayer = try await gateway.open(body, key: key)
                _ = try await stayer.next()
                // As many as open a breaker where they fail.
                var leavers = [try await gateway.open(body, key: key)]
                while leavers.count < 5 { leavers.append(try await gateway.open(body, key: key)) }
                for leaver in leavers { _ = try await leaver.next() }
                for leaver in leavers { leaver.cancel() }
                let began = ContinuousClock.now
                #expect(await gateway.stop() == 0)
                #expect(ContinuousClock.now - began < .seconds(20))
                while let piece = try? await stayer.next(), !piece.isEmpty {}
                // By no successor: it has not been started yet.
                let books = try await Books.read(world, tenant: "acme")
                #expect(books.held == 0 && books.settled > 0 && books.settled == books.entries)
                #expect(books.unreconciled.isEmpty)
                #expect(!gateway.program.log.contains { $0.contains("takes a record") }, "\(gateway.program.log)")
            }
            let open = try await world.query("select count(*) as n from holds where state = 'd'").rows[0]
            #expect(try open.get("n") == Int64(0))
            let told = try await world.query("select count(*) as n from outbox_marks where key like 'provider:%'")
            #expect(try told.rows[0].get("n") == Int64(0), "the provider was never down")
        }
    }

    @Test("an address that cannot be listened on is named by its field, and nothing else is complained of")
    func noAddress() async throws {
        try await Self.with { world in
            func peppers() async throws -> Int64 {
                try await world.query("select count(*) as n from key_pepper").rows[0].get("n")
            }
            let other = ["serve", "--config", world.configuration, "--set", "ledger.journal=\(world.directory)/other"]
            let elsewhere = try await peppers()
            await #expect(throws: Program.Failure.self) {
                try await Program.output(
                    of: try Program.executable(), other + ["--set", "server.host=nowhere.invalid"], in: world.directory)
            }
            let after = try await peppers()
            #expect(elsewhere == 0 && after == 0, "a start that fails settles no pepper")
            let gateway = try await world.gateway()
            #expect(try await peppers() == 1)
            for (setting, said) in [
                ("server.port=\(gateway.port)", "server.port: \(gateway.port) is in use"),
                ("server.host=nowhere.invalid", "server.host: nowhere.invalid cannot be resolved"),
            ] {
                let failure = await #expect(throws: Program.Failure.self) {
                    try await Program.output(
                        of: try Program.executable(), other + ["--set", setting], in: world.directory)
                }
                let text = failure?.description ?? ""
                #expect(text.contains("ended with 3") && text.contains(said), "\(text)")
                #expect(!text.contains("PostgreSQL: cancelled"), "\(text)")
            }
            #expect(try await gateway.get("/health/ready").status == 200)
            #expect(await gateway.stop() == 0)
        }
    }

    @Test("with an administrator's key a drain needs it, from this machine too")
    func drainNeedsKey() async throws {
        try await Self.with { world in
            let secret = "operator-\(UUID())"
            try secret.write(toFile: world.directory + "/admin", atomically: true, encoding: .utf8)
            let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
            try (text + "admin: { key: \"file:\(world.directory)/admin\" }\n")
                .write(toFile: world.configuration, atomically: true, encoding: .utf8)
            let gateway = try await world.gateway()
            func drain(_ key: String) async throws -> Int {
                let response = try await gateway.open([], key: key, path: "/health/drain")
                while try await response.next() != nil {}
                return response.status
            }
            for wrong in ["x", secret + "x"] { #expect(try await drain(wrong) == 401) }
            #expect(try await gateway.get("/health/ready").status == 200)
            #expect(try await drain(secret) == 200)
            #expect(try await gateway.get("/health/ready").status == 503)
            await gateway.stop()
        }
    }
}
