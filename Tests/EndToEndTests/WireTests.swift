import Curl
import Foundation
import SimulatedProvider
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let wirePython = ProcessInfo.processInfo.environment["GBOOST_PYTHON"]
    /// What a call by each wire asks, with the provider's own name for the model.
    private static let paths = ["/v1/chat/completions", "/v1/messages"]

    /// Adds Anthropic's wire of the same provider, and what the cache costs there.
    private static func addAnthropic(to world: World) async throws {
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        let entry = "  - { name: claude, kind: anthropic, base_url: \"http://127.0.0.1:\(world.providerPort)\" }\n"
        try (text + entry).write(toFile: world.configuration, atomically: true, encoding: .utf8)
        for model in ["sim/sim-large", "claude/sim-large"] {
            try await world.gboost(
                "price", "set", model, "--input-usd-per-mtok", "10", "--output-usd-per-mtok", "30",
                "--cached-input-usd-per-mtok", "1", "--cache-write-5m-usd-per-mtok", "12.5",
                "--cache-write-1h-usd-per-mtok", "20")
        }
    }

    /// Reads an answer up to `limit` pieces, then leaves; nil: to its end.
    private static func ask(
        _ text: String, model: String, path: String, key: String, of gateway: Gateway, isStream: Bool,
        leavingAfter limit: Int? = nil
    ) async throws -> String {
        let body = try gateway.body(text, model: model, maxTokens: 100, stream: isStream)
        let response = try await gateway.open(body, key: key, path: path)
        var bytes: [UInt8] = []
        var pieces = 0
        while limit.map({ pieces < $0 }) ?? true, let piece = try await response.next() {
            bytes += piece
            pieces += 1
        }
        if limit != nil { response.cancel() }
        #expect(response.status == 200, "\(String(decoding: bytes, as: UTF8.self))")
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test(
        "Matrix: both official clients, both formats of provider, streamed and not, all that may be asked",
        .enabled(if: wirePython != nil, "GBOOST_PYTHON names no Python with the clients: ops/test installs one"))
    func matrix() async throws {
        let python = try #require(Self.wirePython)
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/wire_matrix.py")
        try await Self.with { world in
            try await Self.addAnthropic(to: world)
            let key = try await world.tenant("acme", limitUSD: "50")
            try await world.gboost(
                "route", "add", "doubting-claude", "--tenant", "acme", "--slm", "slm", "--prm", "unsure", "--llm",
                "claude/sim-large", "--set", "value_usd=0.5", "--set", "max_resamples=0", "--set",
                "max_step_tokens=32", "--set", "max_answer_tokens=96")
            let poor = try await world.tenant("poor", limitUSD: "0")
            let gateway = try await world.gateway()
            let output = try await Program.output(
                of: python, [script.path, "http://127.0.0.1:\(gateway.port)", key, poor], in: world.directory)
            print(output)
            #expect(output.contains("checks passed"), "\(output)")
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.bill == books.settled && books.unreconciled.isEmpty && books.held == 0)
            #expect(try await Books.read(world, tenant: "poor").settled == 0)
            await gateway.stop()
        }
    }

    @Test("row 11: Cached tokens, counts that are stated twice or replaced: the ledger is the bill on every wire")
    func usageOddities() async throws {
        try await Self.with { world in
            try await Self.addAnthropic(to: world)
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            try await world.faults(
                "cached:5@AAA", "cache-write:4@AAA", "cache-write-1h:3@AAA-1h", "usage-twice@BBB", "stale-start@CCC",
                "usage-with-choices@DDD", "cached:1000@EEE")
            var asked = 0
            for mark in ["AAA", "AAA-1h", "BBB", "CCC", "DDD", "EEE"] {
                for model in ["sim/sim-large", "claude/sim-large"] where mark != "AAA-1h" || model.hasPrefix("claude") {
                    for path in Self.paths {
                        for isStream in [false, true] {
                            let said = try await Self.ask(
                                "\(mark) " + Self.question, model: model, path: path, key: key, of: gateway,
                                isStream: isStream)
                            asked += 1
                            // What the client is told is what was charged.
                            let charge = try #require(try world.charges.last)
                            #expect(said.contains("\"cost_nano_usd\":\(charge.nanoUSD)"), "\(mark) \(model) \(path)")
                        }
                    }
                }
            }
            let charges = try world.charges
            #expect(charges.count == asked && asked == 44)
            #expect(charges.contains { $0.cacheWrite1hTokens == 3 } && charges.contains { $0.cachedTokens ?? 0 > 5 })
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill == books.settled && books.unreconciled.isEmpty && books.held == 0)
            await gateway.stop()
        }
    }

    @Test("row 8: A client that leaves after chunk k, for all k, by every wire to every kind of provider, is billed")
    func leavesEverywhere() async throws {
        try await Self.with { world in
            try await Self.addAnthropic(to: world)
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            try await world.faults("trickle:10")
            let whole = try await Self.ask(
                Self.question, model: "sim/sim-large", path: Self.paths[0], key: key, of: gateway, isStream: true)
            let chunks = whole.components(separatedBy: "\n\n").count
            #expect(chunks > 10)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for model in ["sim/sim-large", "claude/sim-large"] {
                    for path in Self.paths {
                        for k in 0..<chunks {
                            group.addTask {
                                _ = try await Self.ask(
                                    Self.question, model: model, path: path, key: key, of: gateway, isStream: true,
                                    leavingAfter: k)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            // The stop waits until what was left behind is settled.
            #expect(await gateway.stop() == 0)
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(try world.charges.count == 4 * chunks + 1)
            #expect(books.bill == books.settled && books.unreconciled.isEmpty && books.held == 0)
        }
    }
}
