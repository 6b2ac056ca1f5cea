import Curl
import Foundation
import SimulatedProvider
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    private static let wirePython = ProcessInfo.processInfo.environment["GBOOST_PYTHON"]
    private static let models = ["sim/sim-large", "claude/sim-large", "google/sim-large", "aws/sim-large"]
    private static let paths = ["/v1/chat/completions", "/v1/messages"]
    private struct Way: Sendable {
        var model = models[0]
        var path = paths[0]
        var isStream = true
    }

    /// Adds the other wires of the same provider, and what the cache costs there.
    static func addWires(to world: World) async throws {
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        let (host, secret) = ("http://127.0.0.1:\(world.providerPort)", "\(world.directory)/secret")
        try "AKIDEXAMPLE".write(toFile: secret, atomically: true, encoding: .utf8)
        let entries = """
              - { name: claude, kind: anthropic, base_url: "\(host)" }
              - { name: google, kind: gemini, base_url: "\(host)/v1beta" }
              - { name: aws, kind: bedrock, region: eu-central-1, base_url: "\(host)", access_key_id: "file:\(secret)",
                  secret_access_key: "file:\(secret)" }

            """
        try (text + entries).write(toFile: world.configuration, atomically: true, encoding: .utf8)
        for model in models {
            try await world.gboost(
                "price", "set", model, "--input-usd-per-mtok", "10", "--output-usd-per-mtok", "30",
                "--cached-input-usd-per-mtok", "1", "--cache-write-5m-usd-per-mtok", "12.5",
                "--cache-write-1h-usd-per-mtok", "20")
        }
    }

    /// Reads an answer up to `limit` pieces, then leaves; nil: to its end.
    private static func ask(
        _ text: String, by way: Way, key: String, of gateway: Gateway, leavingAfter limit: Int? = nil
    ) async throws -> String {
        let body = try gateway.body(text, model: way.model, maxTokens: 100, stream: way.isStream)
        let response = try await gateway.open(body, key: key, path: way.path)
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
        "Matrix: both official clients, all formats of providers, streamed and not, all that may be asked",
        .enabled(if: wirePython != nil, "GBOOST_PYTHON names no Python with the clients: ops/test installs one"))
    func matrix() async throws {
        let python = try #require(Self.wirePython)
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/wire_matrix.py")
        try await Self.with { world in
            try await Self.addWires(to: world)
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

    @Test("HTTP/1: no body behind HEAD, 100 for who waits for it, for HTTP/1.0 no chunks and then the end")
    func http1() async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/http1_client.py")
        try await Self.with { world in
            let key = try await world.tenant("acme", limitUSD: "5")
            let gateway = try await world.gateway(arguments: ["--set", "server.max_body_bytes=100000"])
            let output = try await Program.output(
                of: "/usr/bin/python3", [script.path, String(gateway.port), key], in: world.directory)
            #expect(output == "26 checks passed\n", "\(output)")
            #expect(await gateway.stop() == 0)
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.bill == books.settled && books.held == 0)
        }
    }

    @Test("rows 8 and 11 on every wire to every kind of provider: the ledger is the bill, whatever is cached, or left")
    func ledgerIsBill() async throws {
        try await Self.with { world in
            try await Self.addWires(to: world)
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            let asked = try await Self.askOddly(world, gateway, key: key)
            let left = try await Self.leave(world, gateway, key: key)
            // The stop waits until what was left behind is settled.
            #expect(await gateway.stop() == 0)
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(try world.charges.count == asked + left)
            #expect(books.bill == books.settled && books.unreconciled.isEmpty && books.held == 0)
        }
    }

    @Test("A model whose first deployment is away is answered by the next, at its price: the ledger is the bill")
    func fallback() async throws {
        try await Self.with { world in
            try await Self.addWires(to: world)
            let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
            let groups = """
                  - { name: gone, kind: openai, base_url: "http://127.0.0.1:9/v1", probe_seconds: 1 }
                model_groups:
                  - { name: large, model: gone/large, deployments: "gone/large, aws/sim-large",
                      fallbacks: google/sim-large }

                """
            try (text + groups).write(toFile: world.configuration, atomically: true, encoding: .utf8)
            try await world.gboost(
                "price", "set", "gone/large", "--input-usd-per-mtok", "90", "--output-usd-per-mtok", "90")
            let key = try await world.tenant("acme", limitUSD: "50")
            let gateway = try await world.gateway()
            for path in Self.paths {
                for isStream in [false, true] {
                    let way = Way(model: "gone/large", path: path, isStream: isStream)
                    let said = try await Self.ask(Self.question, by: way, key: key, of: gateway)
                    let charge = try #require(try world.charges.last)
                    #expect(said.contains("\"cost_nano_usd\":\(charge.nanoUSD)"), "\(way)")
                }
            }
            #expect(await gateway.stop() == 0)
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(try world.charges.count == 4)
            #expect(books.bill == books.settled && books.unreconciled.isEmpty && books.held == 0)
        }
    }

    /// Cached tokens, counts that are stated twice, late, or replaced; how many calls that were.
    private static func askOddly(_ world: World, _ gateway: Gateway, key: String) async throws -> Int {
        try await world.faults(
            "cached:5@AAA", "cache-write:4@AAA", "cache-write-1h:3@AAA-1h", "usage-twice@BBB", "stale-start@CCC",
            "usage-with-choices@DDD", "cached:1000@EEE")
        for mark in ["AAA", "AAA-1h", "BBB", "CCC", "DDD", "EEE"] {
            for model in models where mark != "AAA-1h" || !model.hasPrefix("sim") {
                for (path, isStream) in [(paths[0], false), (paths[0], true), (paths[1], false), (paths[1], true)] {
                    let way = Way(model: model, path: path, isStream: isStream)
                    let said = try await ask("\(mark) " + question, by: way, key: key, of: gateway)
                    // What the client is told is what was charged.
                    let charge = try #require(try world.charges.last)
                    #expect(said.contains("\"cost_nano_usd\":\(charge.nanoUSD)"), "\(mark) \(way)")
                }
            }
        }
        let charges = try world.charges
        #expect(charges.count == 92)
        #expect(charges.contains { $0.cacheWrite1hTokens == 3 } && charges.contains { $0.cachedTokens ?? 0 > 5 })
        return charges.count
    }

    /// Clients that leave after chunk k, for all k, all at the same time; how many calls that were.
    private static func leave(_ world: World, _ gateway: Gateway, key: String) async throws -> Int {
        try await world.faults("trickle:10")
        let whole = try await ask(question, by: Way(), key: key, of: gateway)
        let chunks = whole.components(separatedBy: "\n\n").count
        #expect(chunks > 10)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for way in models.flatMap({ model in paths.map { Way(model: model, path: $0) } }) {
                for k in 0..<chunks {
                    group.addTask {
                        _ = try await ask(question, by: way, key: key, of: gateway, leavingAfter: k)
                    }
                }
            }
            try await group.waitForAll()
        }
        return 2 * models.count * chunks + 1
    }
}
