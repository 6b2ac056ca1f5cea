import Curl
import EmbeddedPostgres
import Foundation
import Postgres
import Testing

/// One test after the other, each with an installation of its own: together they would starve each other.
@Suite("Real processes: answers come, and the money holds, whatever dies", .serialized)
struct RealProcessTests {
    static let question = "Anna has 12 apples and buys 7 more. How many apples does she have?"

    static func with(ownServer: Bool = false, _ body: (World) async throws -> Void) async throws {
        let world = try await World.make(ownServer: ownServer)
        do {
            try await body(world)
            await world.destroy()
        } catch {
            await world.destroy()
            throw error
        }
    }

    @Test("A boosted route and a direct model answer; ledger and bill agree to the nano-dollar")
    func answers() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway()
            let trusted = try await gateway.ask(Self.question, model: "trusting", key: key)
            #expect(
                trusted.status == 200 && trusted.headers("x-gboost-served-by") == "slm",
                "\(trusted.body) \(gateway.program.log.suffix(6))")
            #expect(trusted.headers("x-gboost-cost-usd") == "0.000000000")
            let doubted = try await gateway.ask(Self.question, model: "doubting", key: key)
            #expect(doubted.status == 200 && Int(doubted.headers("x-gboost-escalations") ?? "") ?? 0 > 0)
            let direct = try await gateway.ask(Self.question, model: "sim/sim-large", key: key, maxTokens: 100)
            #expect(direct.status == 200 && direct.headers("x-gboost-served-by") == "llm", "\(direct.body)")
            let stream = try await gateway.ask(
                Self.question, model: "sim/sim-large", key: key, maxTokens: 100, stream: true)
            #expect(stream.status == 200 && stream.body.hasSuffix("data: [DONE]\n\n"))
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.unreconciled.isEmpty && books.held == 0)
            let spend = try await world.gboost("spend", "--tenant", "acme", "--json")
            #expect(spend.contains("\"settled_nano_usd\":\(books.bill)"), "\(spend)")
            let listed = try await world.gboost("escalations", "list", "--tenant", "acme", "--json")
            #expect(listed.contains("reward_calibrated"))
            let metrics = try await gateway.get("/metrics").body
            #expect(metrics.contains("kind=\"settled\"} \(books.bill)"))
            #expect(await gateway.stop() == 0)
        }
    }

    @Test("row 2: kill -9 after the hold: posted in full, named, and the next gateway works")
    func killedAfterReserve() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            var gateway = try await world.gateway()
            try await world.faults("hang@HANGS")
            let asked = Task { [gateway] in
                try await gateway.ask("HANGS " + Self.question, model: "sim/sim-large", key: key, maxTokens: 50)
            }
            try await Self.eventually("a hold is open") {
                try await Books.read(world, tenant: "acme").held > 0
            }
            await gateway.kill()
            _ = try? await asked.value
            try await world.faults()
            gateway = try await world.gateway()
            try await Self.eventually("the hold is posted") {
                try await Books.read(world, tenant: "acme").unreconciled.count == 1
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.held == 0 && books.bill == 0 && books.settled > 0)
            let named = try await world.gboost("holds", "list", "--unreconciled", "--json")
            #expect(books.unreconciled.keys.allSatisfy { named.lowercased().contains($0) }, "\(named)")
            let next = try await gateway.ask(Self.question, model: "sim/sim-large", key: key, maxTokens: 50)
            #expect(next.status == 200)
            try await Books.read(world, tenant: "acme").check()
            await gateway.stop()
        }
    }

    @Test("row 12: kill -9 after the provider answered, before the settlement: nothing is lost, nothing posted twice")
    func killedBeforeSettle() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            var gateway = try await world.gateway()
            // The answer comes in slow pieces: the call is paid for, and its end is far enough away to strike before.
            try await world.faults("trickle:400@SLOWLY")
            let asked = Task { [gateway] in
                try await gateway.ask("SLOWLY " + Self.question, model: "sim/sim-large", key: key, maxTokens: 50)
            }
            try await Self.eventually("the call is out") {
                try await Books.read(world, tenant: "acme").held > 0
            }
            // No settlement gets in from here on: every row of the holds is locked by somebody else.
            let lock = try await HoldLock.take(world)
            try await Self.eventually("the provider has charged", seconds: 60) { try !world.charges.isEmpty }
            await gateway.kill()
            try await lock.terminateGatewayBackends()
            await lock.release()
            _ = try? await asked.value
            try await world.faults()
            gateway = try await world.gateway()
            try await Self.eventually("the hold is ended") {
                try await Books.read(world, tenant: "acme").held == 0
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.settled >= books.bill)
            // Exactly once: either the journal had it, and the ledger is the bill, or the hold is named.
            #expect(books.unreconciled.count == (books.settled == books.bill ? 0 : 1))
            await gateway.stop()
        }
    }

    @Test("row 4: Budget 0 and a stopped PostgreSQL: the SLM answers and says why, the paid model is refused")
    func degrades() async throws {
        try await Self.with(ownServer: true) { world in
            let poor = try await world.tenant("poor", limitUSD: "0")
            let gateway = try await world.gateway()
            let boosted = try await gateway.ask(Self.question, model: "doubting", key: poor)
            #expect(boosted.status == 200 && boosted.headers("x-gboost-degraded") == "budget_exhausted")
            let direct = try await gateway.ask(Self.question, model: "sim/sim-large", key: poor, maxTokens: 50)
            #expect(direct.status == 429 && direct.headers("x-should-retry") == "false", "\(direct.body)")
            #expect(direct.body.contains("budget_exceeded") && direct.body.contains("tenant:poor"), "\(direct.body)")
            #expect(try world.charges.isEmpty)

            try await world.gboost("budget", "set", "--tenant", "poor", "--limit-usd", "5")
            try await world.cluster().stop(mode: .immediate)
            let away = try await gateway.ask(Self.question, model: "doubting", key: poor)
            #expect(away.status == 200 && away.headers("x-gboost-degraded") == "ledger_unavailable", "\(away.body)")
            let refused = try await gateway.ask(Self.question, model: "sim/sim-large", key: poor, maxTokens: 50)
            #expect(refused.status == 503 && refused.body.contains("ledger_unavailable"), "\(refused.body)")
            #expect(try world.charges.isEmpty)

            _ = try await world.cluster().start()
            try await Self.eventually("the gateway pays again") {
                try await gateway.ask(Self.question, model: "sim/sim-large", key: poor, maxTokens: 50).status == 200
            }
            try await Books.read(world, tenant: "poor").check()
            await gateway.stop()
        }
    }

    @Test("an embedded PostgreSQL that is killed comes back, and paid calls with it; a second gateway is refused it")
    func embeddedKilled() async throws {
        try await Self.with(ownServer: true) { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
            let (url, place) = ("url: \"\(world.databaseURL)\"", "embedded: \"\(try world.cluster().directory)\"")
            #expect(text.contains(url))
            try text.replacing(url, with: place).write(toFile: world.configuration, atomically: true, encoding: .utf8)
            let gateway = try await world.gateway()
            func ask() async throws -> Int {
                try await gateway.ask(Self.question, model: "sim/sim-large", key: key, maxTokens: 50).status
            }
            #expect(try await ask() == 200)
            let second = await #expect(throws: Program.Failure.self) {
                try await Program.output(
                    of: try Program.executable(),
                    ["serve", "--config", world.configuration, "--set", "ledger.journal=\(world.directory)/other"],
                    in: world.directory)
            }
            let refusal = second?.description ?? ""
            #expect(refusal.contains("ended with 3") && refusal.contains("database.embedded"), "\(refusal)")
            #expect(try await ask() == 200)

            try await world.cluster().killNine(wholeTree: false)
            // Nobody but the gateway starts it: no command is run until it is back. Sessions outlive their server for a
            // moment, and a call on one says nothing; a new one does.
            try await Self.eventually("the server is back", seconds: 60) {
                (try? await Books.read(world, tenant: "acme")) != nil
            }
            try await Self.eventually("the gateway pays again", seconds: 60) { try await ask() == 200 }
            try await Self.eventually("nothing is held") { try await Books.read(world, tenant: "acme").held == 0 }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0)
            #expect(await gateway.stop() == 0)
            #expect(try !world.cluster().isRunning, "what it has started it stops")
        }
    }

    @Test("row 1: 200 parallel calls where the cap fits 10: the provider's own bill stays under the cap")
    func race() async throws {
        try await Self.with { world in
            // One call of this size is held for (about 700 × 10 + 50 × 30) micro-dollars.
            let key = try await world.tenant("acme", limitUSD: "0.085")
            let gateway = try await world.gateway()
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        try await gateway.ask(Self.question, model: "sim/sim-large", key: key, maxTokens: 50).status
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill <= 85_000_000 && books.unreconciled.isEmpty && books.held == 0)
            #expect(Set(statuses) == [200, 429])
            #expect(books.bill == books.settled)
            await gateway.stop()
        }
    }

    @Test("A client that asks one question after the other never meets the hold of its last answer")
    func inTurn() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "1")
            let gateway = try await world.gateway()
            func cost(_ number: Int) async throws -> Double {
                let answer = try await gateway.ask("\(number)+1?", model: "sim/sim-large", key: key, maxTokens: 16)
                #expect(answer.status == 200, "\(number): \(answer.body)")
                return Double(answer.headers("x-gboost-cost-usd") ?? "") ?? 0
            }
            let first = try await cost(0)
            let hold: Int64 = try await world.query("select amount from holds").rows[0].get("amount")
            // From now on there is room for one hold, never for two.
            let amount = Double(hold) / 1e9
            let limit = String(format: "%.9f", first + 1.5 * amount)
            try await world.gboost("budget", "set", "--tenant", "acme", "--limit-usd", limit)
            let count = Int(amount / 2 / first)
            #expect(count >= 3)
            for number in 1..<count { _ = try await cost(number) }
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.held == 0)
            let last = try await gateway.ask(String(repeating: "1+", count: 500), model: "sim/sim-large", key: key)
            #expect(last.status == 429, "the budget is not tight")
            #expect(await gateway.stop() == 0)
        }
    }

    @Test("row 8: SIGTERM lets a stream finish and leaves nothing open; a client that leaves is still accounted for")
    func drains() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway()
            try await world.faults("trickle:100@SLOWLY")
            let body = try gateway.body(
                "SLOWLY " + Self.question, model: "sim/sim-large", maxTokens: 100, stream: true)
            let leaver = try await gateway.open(body, key: key)
            _ = try await leaver.next()
            leaver.cancel()
            let stayer = try await gateway.open(body, key: key)
            var bytes = try await stayer.next() ?? []
            async let stopped = gateway.stop()
            while let piece = try await stayer.next() { bytes += piece }
            #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("data: [DONE]\n\n"))
            #expect(await stopped == 0)
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.held == 0 && books.unreconciled.isEmpty)
            #expect(try world.charges.count == 2)
        }
    }

    @Test("kill -9 of the engine host: a direct stream does not notice, the boosted answer comes all the same")
    func engineKilled() async throws {
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway()
            _ = try await gateway.ask("Say hello.", model: "trusting", key: key, maxTokens: 4)
            try await world.faults("trickle:150@SLOWLY")
            let body = try gateway.body(
                "SLOWLY " + Self.question, model: "sim/sim-large", maxTokens: 100, stream: true)
            let stream = try await gateway.open(body, key: key)
            var bytes = try await stream.next() ?? []
            let boosted = Task {
                try await gateway.ask("Count from one to fifty in words.", model: "trusting", key: key, maxTokens: 90)
            }
            try await Task.sleep(for: .milliseconds(300))
            let host = try await Self.engineHost(of: gateway)
            kill(host, SIGKILL)
            while let piece = try await stream.next() { bytes += piece }
            #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("data: [DONE]\n\n"))
            let answer = try await boosted.value
            #expect(answer.status == 200 || answer.body.contains("\"error\""), "\(answer.body)")
            let next = try await gateway.ask("Say hello.", model: "trusting", key: key, maxTokens: 4)
            #expect(next.status == 200, "\(next.body)")
            #expect(try await Self.engineHost(of: gateway) != host)
            await gateway.stop()
        }
    }

    /// The process id of the gateway's only child, its engine host.
    private static func engineHost(of gateway: Gateway) async throws -> Int32 {
        let id = gateway.program.processID
        let text = try await Program.output(
            of: "/usr/bin/pgrep", ["-P", String(id), "-f", "engine-host"], in: "/")
        return try #require(text.split(separator: "\n").first.flatMap { Int32($0) })
    }

    static func eventually(
        _ what: String, seconds: Double = 60, _ condition: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("it never came about: \(what)")
    }
}
