import Curl
import Foundation
import GatewayTesting
import Postgres
import Testing

/// Texts and keys that nobody has written before go through a real gateway; then everything that it leaves behind is
/// searched for them: every column of every table, the database's own files, the journal, the log at its most talkative
/// level, metrics, reports, exports, published checkpoints, and what destinations were told.
@Suite("What clients and providers say is nowhere but where it was asked for", .serialized)
struct CanaryTests {
    private static let prompt = "canary-prompt-7f3a91c5e2d84b60"
    private static let answer = "canary-answer-d10b6e4f9a2c8375"
    private static let providerKey = "sk-canary-provider-58c2e71d"
    private static let wrongKey = "gb-canary-client-0d9e4b7a63f1"
    private static let hookSecret = "canary-hook-secret-9b1f60c7"
    private static let textKey = String(repeating: "5a", count: 32)
    /// The server asks for none, and takes any.
    private static let databasePassword = "canary-database-4e8d17c6"

    /// Answers every call with the canary, the last one of the script for ever.
    private static func provider() throws -> ScriptedPeer {
        func reply(_ status: String, _ body: String) -> [ScriptedPeer.Step] {
            [
                .read,
                .send(
                    "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nx-request-id: r-1\r\n"
                        + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"),
            ]
        }
        let good = """
            {"id":"c1","object":"chat.completion","model":"large","choices":[{"index":0,"finish_reason":"stop",\
            "message":{"role":"assistant","content":"\(answer)"}}],"usage":{"prompt_tokens":9,"completion_tokens":4}}
            """
        // Providers do repeat what they were sent.
        let bad = """
            {"error":{"message":"bad key \(providerKey) for \(prompt)","type":"invalid_request_error"}}
            """
        return try ScriptedPeer(all: [reply("401 Unauthorized", bad), reply("200 OK", good)])
    }

    /// Takes every delivery.
    private static func receiver() throws -> ScriptedPeer {
        try ScriptedPeer([.read, .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), .again])
    }

    private static func addDestinations(_ world: World, _ receiver: ScriptedPeer) async throws {
        try await world.gboost(
            "destination", "add", "hook", "--kind", "webhook", "--target", "\(receiver.url)/hook", "--secret",
            "env:CANARY_HOOK_SECRET", "--events", "usage,escalation.refused")
        try await world.gboost(
            "destination", "add", "meter", "--kind", "cloudevents", "--target", "\(receiver.url)/meter")
    }

    private static func configure(_ world: World, _ provider: ScriptedPeer) throws {
        let text = try String(contentsOfFile: world.configuration, encoding: .utf8)
        let own = """
              - { name: canary, kind: openai, base_url: "\(provider.url)/v1", api_key: "env:CANARY_PROVIDER_KEY" }
            log: { level: trace }
            audit:
              signing_key: "file:\(world.directory)/signing.key"
              checkpoint_directory: "\(world.directory)/published"
              seal_interval: 100ms
              checkpoint_interval: 200ms
            capture: { key: "env:CANARY_TEXT_KEY" }
            outbox: { usage_interval: 200ms }

            """
        try (text + own).write(toFile: world.configuration, atomically: true, encoding: .utf8)
    }

    /// Files below the world's directory that hold one of the texts: as it is, in hexadecimal or in base64.
    private static func found(_ texts: [String], in world: World) async throws -> [String] {
        var patterns = texts
        for text in texts {
            patterns.append(text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            for shift in 0..<3 {
                // The middle of the text, wherever it stands in its group of three.
                let bytes = Array(repeating: UInt8(0), count: shift) + Array(text.utf8)
                let encoded = Data(bytes.prefix(bytes.count / 3 * 3)).base64EncodedString()
                patterns.append(String(encoded.dropFirst(shift == 0 ? 0 : 4)))
            }
        }
        let list = FileManager.default.temporaryDirectory.appending(path: "canaries-\(UUID().uuidString)")
        try Data((patterns.joined(separator: "\n") + "\n").utf8).write(to: list)
        defer { try? FileManager.default.removeItem(at: list) }
        let script = "grep -r -l -a -F -f '\(list.path)' '\(world.directory)' || test $? = 1"
        return try await Program.output(of: "/bin/sh", ["-c", script], in: world.directory)
            .split(separator: "\n").map(String.init).sorted()
    }

    /// Every column of every table as text, in a file.
    private static func dump(_ world: World) async throws {
        let tables = try await world.query(
            """
            select format('%I', c.relname) as name from pg_class c
            where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1
            """
        ).rows.map { try $0.get("name", as: String.self) }
        #expect(tables.count > 25)
        var text = ""
        for table in tables {
            let rows = try await world.query(.init(trusted: "select t::text as line from \(table) t")).rows
            text += "\(table)\n"
            for row in rows { text += try row.get("line", as: String.self) + "\n" }
        }
        try write(text, "tables", world)
    }

    private static func write(_ text: String, _ name: String, _ world: World) throws {
        let place = world.directory + "/left"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: "\(place)/\(name)"))
    }

    /// Sends the canaries every way that a client has, right and wrong ones.
    private static func speak(_ gateway: Gateway, key: String, poor: String) async throws {
        let ask = "\(prompt) Anna has 12 apples and buys 7 more. How many apples does she have?"
        let refused = try await gateway.ask(ask, model: "canary/large", key: key, maxTokens: 20)
        #expect(refused.status >= 400 && !refused.body.contains(providerKey), "\(refused.body)")
        let direct = try await gateway.ask(ask, model: "canary/large", key: key, maxTokens: 20)
        #expect(direct.status == 200 && direct.content == answer, "\(direct.body)")
        let boosted = try await gateway.ask(ask, model: "guarded", key: key)
        #expect(boosted.status == 200 && boosted.headers("x-gboost-escalations") != "0", "\(boosted.body)")
        #expect(try await gateway.ask(ask, model: "canary/large", key: poor, maxTokens: 20).status == 429)
        #expect(try await gateway.ask(ask, model: "canary/large", key: wrongKey).status == 401)
        #expect(try await gateway.ask(Array("{\"\(prompt)\":".utf8), key: key).status == 400)
        let messages = #"{"model":"canary/large","max_tokens":20,"messages":[{"role":"user","content":"\#(ask)"}]}"#
        let other = try await gateway.open(Array(messages.utf8), key: key, path: "/v1/messages")
        while try await other.next() != nil {}
        #expect(other.status == 200)
    }

    private static func start(_ world: World) async throws -> Gateway {
        let program = try Program(
            ["serve", "--config", world.configuration], in: world.directory,
            environment: [
                "CANARY_PROVIDER_KEY": providerKey, "CANARY_TEXT_KEY": textKey, "CANARY_HOOK_SECRET": hookSecret,
                "GBOOST_DATABASE_URL": world.databaseURL.replacing("gboost@/", with: "gboost:\(databasePassword)@/"),
            ])
        return Gateway(program: program, port: try await program.port(after: "listening on"), world: world)
    }

    /// Waits until everything is sealed and published, stops the gateway, and puts its log and the tables into files.
    private static func collect(_ world: World, _ gateway: Gateway, _ receiver: ScriptedPeer) async throws {
        try await RealProcessTests.eventually("all is sealed") {
            try await world.query(
                """
                select ((select count(*) from refusal_inbox) + (select count(*) from escalations)
                  + (select count(*) from refusals) + (select count(*) from events)
                  - (select coalesce(sum(last_seq - first_seq + 1), 0) from audit_blocks))::bigint as n
                """
            ).rows[0].get("n") == Int64(0)
        }
        try await RealProcessTests.eventually("both destinations were told") {
            Set(receiver.requests.map { $0.head.prefix { $0 != "\r\n" } }).count >= 2
        }
        let told = receiver.requests.map { "\($0.head)\n\(String(decoding: $0.body, as: UTF8.self))\n" }
        try write(told.joined(), "deliveries", world)
        try write(try await gateway.get("/metrics").body, "metrics", world)
        #expect(await gateway.stop() == 0)
        #expect(gateway.program.log.count > 5)
        try write(gateway.program.log.joined(separator: "\n"), "log", world)
        try await dump(world)
    }

    /// Reports and exports, in files.
    private static func report(_ world: World) async throws {
        for command in [
            ["spend", "--tenant", "acme", "--format", "focus"], ["audit", "export"], ["audit", "events", "--json"],
            ["escalations", "list", "--tenant", "acme", "--json"],
            ["escalations", "refused", "--tenant", "poor", "--json"],
            ["statement", "show", "--tenant", "acme", "--format", "html"],
        ] {
            let output = try await Program.run(command + ["--config", world.configuration], in: world.directory)
            #expect(!output.isEmpty)
            try write(output, command.joined(separator: "-"), world)
        }
    }

    /// Of a tenant without a budget.
    private static func poorKey(_ world: World) async throws -> String {
        try await world.gboost("tenant", "create", "poor")
        let made = try await world.gboost("key", "create", "--tenant", "poor", "--json")
        let json = try JSONSerialization.jsonObject(with: Data(made.utf8)) as? [String: Any]
        return try #require(json?["key"] as? String)
    }

    @Test("canary prompt, answer and keys: found nowhere; with capture on as ciphertext alone, which the key opens")
    func canaries() async throws {
        try await RealProcessTests.with(ownServer: true) { world in
            let provider = try Self.provider()
            let receiver = try Self.receiver()
            defer { for peer in [provider, receiver] { peer.stop() } }
            try Self.configure(world, provider)
            try await Self.addDestinations(world, receiver)
            _ = try await Program.run(
                ["audit", "make-key", "gateway.test", "--output", world.directory + "/signing.key"],
                in: world.directory)
            let key = try await world.tenant("acme", limitUSD: "5")
            try await world.gboost(
                "price", "set", "canary/large", "--input-usd-per-mtok", "1", "--output-usd-per-mtok", "1")
            try await world.gboost(
                "route", "add", "guarded", "--tenant", "acme", "--slm", "slm", "--prm", "unsure", "--llm",
                "canary/large", "--set", "value_usd=0.5", "--set", "max_resamples=0", "--set", "max_step_tokens=16",
                "--set", "max_answer_tokens=32")
            let poor = try await Self.poorKey(world)
            let canaries = [
                Self.prompt, Self.answer, Self.providerKey, Self.wrongKey, Self.textKey, Self.hookSecret,
                Self.databasePassword, key, poor,
            ]

            var gateway = try await Self.start(world)
            try await Self.speak(gateway, key: key, poor: poor)
            try await Self.collect(world, gateway, receiver)
            try await Self.report(world)
            #expect(try await Self.found(canaries, in: world) == [])
            #expect(FileManager.default.fileExists(atPath: world.directory + "/published/events-0.checkpoints"))
            #expect(try await world.query("select count(*) as n from escalations").rows[0].get("n") > Int64(3))
            #expect(try await world.query("select count(*) as n from refusals").rows[0].get("n") > Int64(0))

            try await world.gboost("tenant", "capture", "acme", "--days", "7")
            gateway = try await Self.start(world)
            let said = try await gateway.ask(Self.prompt, model: "canary/large", key: key, maxTokens: 20)
            #expect(said.content == Self.answer)
            try await RealProcessTests.eventually("the text is kept") {
                try await world.query("select count(*) as n from escalation_texts").rows[0].get("n") == Int64(1)
            }
            try await Self.collect(world, gateway, receiver)
            #expect(try await Self.found(canaries, in: world) == [])
            let last = try await world.query("select max(seq) as seq from escalations").rows[0].get(
                "seq", as: Int64.self)
            let opened = try await Program.output(
                of: Program.executable(),
                ["escalations", "text", String(last), "--tenant", "acme", "--json", "--config", world.configuration],
                in: world.directory, environment: ["CANARY_TEXT_KEY": Self.textKey])
            #expect(opened.contains(Self.prompt) && opened.contains(#""answer":"\#(Self.answer)""#), "\(opened)")

            // The search finds what is there: in a table, encoded, and in a log.
            _ = try await world.query(
                "insert into outbox (tenant_id, kind, payload) values (1, 'x', to_jsonb(\(Self.prompt)::text))")
            try await Self.dump(world)
            try Self.write("x" + Data((Self.answer + "!").utf8).base64EncodedString(), "planted.base64", world)
            let planted = try await Self.found(canaries, in: world)
            #expect(planted.contains { $0.hasSuffix("/left/tables") } && planted.contains { $0.hasSuffix(".base64") })
        }
    }
}
