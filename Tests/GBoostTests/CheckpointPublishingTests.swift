import Audit
import Crypto
import Curl
import Foundation
import GatewayTesting
import Logging
import Postgres
import Providers
import Synchronization
import Testing

@testable import Ledger
@testable import gboost

@Suite("Checkpoints are published to a webhook and into a bucket, signed, and tried again")
struct CheckpointPublishingTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func checkpoint(_ size: Int64, tenant: Int64 = 7) -> SignedCheckpoint {
        SignedCheckpoint(
            log: AuditLog(.escalations, tenant: tenant), size: size,
            note: "gateway.test/escalations/\(tenant)\n\(size)\nAAAA\n\n— gateway.test sig\n")
    }

    /// A place that takes everything, and remembers it.
    private final class Shelf: CheckpointPublisher {
        private let state = Mutex<[SignedCheckpoint]>([])
        var all: [SignedCheckpoint] { state.withLock { $0 } }
        func publish(_ checkpoint: SignedCheckpoint) async throws { state.withLock { $0.append(checkpoint) } }
    }

    private static func answer(_ status: String) -> ScriptedPeer.Step {
        .send("HTTP/1.1 \(status)\r\nContent-Length: 2\r\n\r\nok")
    }

    /// The last answer of a connection.
    private static func last(_ status: String, _ body: String = "ok") -> ScriptedPeer.Step {
        .send("HTTP/1.1 \(status)\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    private static func bucket(_ peer: ScriptedPeer, _ client: CurlClient) -> CheckpointBucket {
        CheckpointBucket(
            url: peer.url + "/audit/gw", region: "eu-central-1", accessKey: Secret("AKIDEXAMPLE"),
            secretKey: Secret("wJalrXUtnFEMI"), client: client)
    }

    private static func with(
        _ scripts: [ScriptedPeer.Step]..., body: (ScriptedPeer, CurlClient) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(all: scripts)
        defer { peer.stop() }
        let client = try CurlClient()
        try await body(peer, client)
        await client.shutdown()
    }

    @Test("a receiver that fails gets each checkpoint later, in order, and can tell who sent it")
    func webhook() async throws {
        try await Self.with(
            [.read, Self.last("503 Away")],
            [.read, Self.answer("200 OK"), .read, Self.answer("200 OK"), .hang]
        ) { peer, client in
            let hook = CheckpointWebhook(
                url: peer.url + "/audit", secret: Secret("between-us"), client: client,
                now: { Date(timeIntervalSince1970: 1_796_083_200) })
            let queue = CheckpointQueue(hook, logger: Self.quiet)
            queue.add([Self.checkpoint(5), Self.checkpoint(9)])
            #expect(await queue.publish() == .seconds(1) && queue.statistics == (2, 0))
            _ = await queue.publish()
            #expect(queue.statistics == (0, 2))
            let ids = peer.requests.map { $0.header("x-gboost-event-id") }
            #expect(ids == [5, 5, 9].map { "escalations/7/\($0)/AAAA" })
            let sent = try #require(peer.requests.last)
            let json = try JSONSerialization.jsonObject(with: Data(sent.body)) as? [String: Any]
            #expect(json?["note"] as? String == Self.checkpoint(9).note && json?["size"] as? Int == 9)
            let signed = Data("1796083200.".utf8) + Data(sent.body)
            let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: Data("between-us".utf8)))
            #expect(sent.header("x-gboost-timestamp") == "1796083200")
            #expect(sent.header("x-gboost-signature") == "v1=" + code.map { Self.hex($0) }.joined())
        }
    }

    @Test("an object of a bucket is signed as the vendor's description says, over what was sent")
    func bucket() async throws {
        try await Self.with([.read, Self.answer("200 OK")]) { peer, client in
            try await Self.bucket(peer, client).publish(Self.checkpoint(12))
            let sent = try #require(peer.requests.first)
            let path = "/audit/gw/escalations-7-0000000000000000012.checkpoints"
            #expect(sent.head.hasPrefix("PUT \(path) HTTP/1.1\r\n"))
            #expect(sent.body == Array(Self.checkpoint(12).note.utf8))
            #expect(!sent.head.contains("wJalrXUtnFEMI"))
            #expect(sent.header("authorization") == Self.authorization(sent, path: path))
            // A bucket that locks objects takes none without.
            let digest = Data(Insecure.MD5.hash(data: Data(sent.body))).base64EncodedString()
            #expect(sent.header("content-md5") == digest)
            #expect(sent.header("authorization")?.contains("SignedHeaders=content-md5;content-type;host;") == true)
        }
    }

    @Test(
        "a bucket that lets nothing be written twice: what is there already is published, something else is not",
        arguments: ["403 Forbidden", "409 Conflict", "412 Precondition Failed"])
    func writeOnce(status: String) async throws {
        let (same, other) = (Self.checkpoint(12), Self.checkpoint(13))
        try await Self.with(
            [.read, Self.last(status)], [.read, Self.last("200 OK", same.note)],
            [.read, Self.last(status)], [.read, Self.last("200 OK", other.note)]
        ) { peer, client in
            let queue = CheckpointQueue(Self.bucket(peer, client), logger: Self.quiet)
            queue.add([same])
            _ = await queue.publish()
            #expect(queue.statistics == (0, 1))
            queue.add([same])
            _ = await queue.publish()
            #expect(queue.statistics == (1, 1))
            let path = "/audit/gw/escalations-7-0000000000000000012.checkpoints"
            let asked = peer.requests.map { String($0.head.prefix { $0 != "\r\n" }) }
            #expect(asked == ["PUT", "GET", "PUT", "GET"].map { "\($0) \(path) HTTP/1.1" })
            for sent in peer.requests {
                #expect(sent.header("authorization") == Self.authorization(sent, path: path))
            }
        }
    }

    @Test("a bucket that refuses is tried again later")
    func refused() async throws {
        try await Self.with([.read, Self.answer("403 Forbidden"), .again]) { peer, client in
            let bucket = CheckpointBucket(
                url: peer.url, region: "r", accessKey: Secret("a"), secretKey: Secret("s"), client: client)
            let queue = CheckpointQueue(bucket, logger: Self.quiet)
            queue.add([Self.checkpoint(1)])
            var waits: [Duration] = []
            for _ in 0..<4 { waits.append(await queue.publish()) }
            #expect(waits == [.seconds(1), .seconds(2), .seconds(4), .seconds(8)])
            // Each time it was asked, too, whether the object is there.
            #expect(queue.statistics == (1, 0) && peer.requests.count == 8)
            queue.add((1...5000).map { Self.checkpoint($0) })
            #expect(queue.statistics.pending == CheckpointQueue.maxPending)
        }
    }

    @Test("too many that wait: those make way of which a later one of the same log says more, never a log's latest")
    func crowded() async throws {
        let shelf = Shelf()
        let queue = CheckpointQueue(shelf, logger: Self.quiet)
        let only = Self.checkpoint(3, tenant: 8)
        queue.add([only] + (1...5000).map { Self.checkpoint($0) })
        #expect(queue.statistics.pending == CheckpointQueue.maxPending)
        _ = await queue.publish()
        #expect(shelf.all.first == only && shelf.all.last == Self.checkpoint(5000))
        #expect(shelf.all.dropFirst().map(\.size) == Array(906...5000))
        for size in Int64(1)...2 { queue.add((1...5000).map { Self.checkpoint(size, tenant: $0) }) }
        #expect(queue.statistics.pending == 5000)
        _ = await queue.publish()
        #expect(shelf.all.suffix(5000).map(\.log.tenant) == Array(1...5000))
        #expect(shelf.all.suffix(5000).allSatisfy { $0.size == 2 })
    }

    @Test("a checkpoint that did not get out is published by the next call, though nothing has grown since")
    func madeUpFor() async throws {
        try await AdministrationTests.Shell.with { shell in
            let path = shell.directory.path()
            _ = await CommandOutput.$capture.withValue(CommandOutput.Capture()) {
                await CommandRun.run(["audit", "make-key", "gw.test/1", "--output", "\(path)/key"])
            }
            try shell.append("audit: { signing_key: \"file:\(path)/key\", checkpoint_directory: \"\(path)/out\" }\n")
            for line in ["migrate", "tenant create acme", "audit seal"] { await shell.run(line) }
            // Nothing can be added to a directory.
            let file = "\(path)/out/events-0.checkpoints"
            try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: true)
            #expect(await shell.run("audit checkpoint").status != .done)
            try FileManager.default.removeItem(atPath: file)
            let second = await shell.run("audit checkpoint")
            let published = try String(contentsOfFile: file, encoding: .utf8)
            #expect(second.status == .done && !published.isEmpty && second.output.contains(published))

            // While another one seals, what has grown cannot be signed.
            await shell.run("team create research --tenant acme")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1, logger: Self.quiet)
            try await pool.transaction { transaction in
                _ = try await transaction.query("select pg_advisory_xact_lock(\(unescaped: AuditStore.lockKeys))")
                let busy = await shell.run("audit checkpoint")
                #expect(busy.status == .failed && busy.errors.contains("sealing at this moment"), "\(busy.errors)")
            }
            await pool.close(within: .seconds(1))
        }
    }

    @Test("while a key is replaced both sign, and whoever knows either of them is content")
    func rotation() async throws {
        try await AdministrationTests.Shell.with { shell in
            let path = shell.directory.path()
            var keys: [String] = []
            for name in ["old", "new"] {
                let made = CommandOutput.Capture()
                _ = await CommandOutput.$capture.withValue(made) {
                    await CommandRun.run(["audit", "make-key", "gw.test/\(name)", "--output", "\(path)/\(name)"])
                }
                keys.append("\(path)/\(name).public")
                try Data(made.output.utf8).write(to: URL(filePath: keys[keys.count - 1]))
            }
            try shell.append(
                "audit: { signing_key: \"file:\(path)/old\", next_signing_key: \"file:\(path)/new\", name: gw.test }\n")
            await shell.run("migrate")
            await shell.run("tenant create acme")
            await shell.run("audit seal")
            let note = await shell.run("audit checkpoint").output
            #expect(note.split(separator: "\n").filter { $0.hasPrefix("— gw.test/") }.count == 2, "\(note)")
            #expect(await shell.run("audit export --output \(path)/export").status == .done)
            let verifier = shell.verifier
            for key in keys {
                let own = await shell.run("audit verify --public-key \(key) --export \(path)/export --json")
                #expect(own.status == .done && own.json("checkpoints") == "1", "\(own.output)")
                let process = try Process.run(
                    URL(filePath: "/usr/bin/env"),
                    arguments: ["python3", verifier, "\(path)/export", "--public-key", key])
                process.waitUntilExit()
                #expect(process.terminationStatus == 0)
            }
        }
    }

    @Test("a place without its secret, or an address that is none, is refused by its field")
    func configuration() async throws {
        let wrong: [(String, String)] = [
            ("audit.checkpoint_webhook=http://h/x", "audit.checkpoint_webhook_secret"),
            ("audit.checkpoint_webhook=ftp://h/x", "audit.checkpoint_webhook"),
            ("audit.checkpoint_s3=https://h/b", "audit.checkpoint_s3_access_key"),
            ("audit.checkpoint_s3=https://h/b?x=1", "audit.checkpoint_s3"),
        ]
        for (set, field) in wrong {
            let error = #expect(throws: ConfigurationError.self) {
                try GatewayConfiguration.load(
                    file: nil, sets: ["database.url=postgres://h/d", set], environment: [:])
            }
            #expect(error?.field == field)
        }
        let sets = [
            "database.url=postgres://h/d",
            "audit.checkpoint_s3=https://h/b/", "audit.checkpoint_s3_access_key=env:A",
            "audit.checkpoint_s3_secret_key=env:S", "audit.checkpoint_webhook=http://h/x",
            "audit.checkpoint_webhook_secret=env:W",
        ]
        let configuration = try GatewayConfiguration.load(file: nil, sets: sets, environment: [:])
        #expect(configuration.audit.checkpointBucket?.url == "https://h/b")
        let client = try CurlClient()
        let known = ["A": "a", "S": "s", "W": "w"]
        #expect(try configuration.checkpointPublishers(client: client, environment: known).count == 2)
        #expect(throws: ConfigurationError.self) {
            try configuration.checkpointPublishers(client: client, environment: ["A": "a", "W": "w"])
        }
        await client.shutdown()
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// The header that a receiver works out from the request that came, by AWS's "Signature Version 4" as documented;
    /// nil where a header is signed that was not sent: some receivers refuse that.
    private static func authorization(_ request: ScriptedPeer.Request, path: String) -> String? {
        guard let given = request.header("authorization"), let time = request.header("x-amz-date"),
            let names = given.components(separatedBy: "SignedHeaders=").last?.prefix(while: { $0 != "," })
        else { return nil }
        let digest = SHA256.hash(data: Data(request.body)).map { hex($0) }.joined()
        let signed = names.split(separator: ";").map(String.init)
        guard signed.allSatisfy({ request.header($0) != nil }) else { return nil }
        let headers = signed.map { "\($0):\(request.header($0) ?? "")\n" }.joined()
        let method = request.head.prefix { $0 != " " }
        let canonical = "\(method)\n\(path)\n\n\(headers)\n\(names)\n\(digest)"
        let day = String(time.prefix(8))
        let scope = "\(day)/eu-central-1/s3/aws4_request"
        let hashed = SHA256.hash(data: Data(canonical.utf8)).map { hex($0) }.joined()
        var key = Data("AWS4wJalrXUtnFEMI".utf8)
        for part in [day, "eu-central-1", "s3", "aws4_request", "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(hashed)"] {
            key = Data(HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: SymmetricKey(data: key)))
        }
        return "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\(scope), SignedHeaders=\(names), "
            + "Signature=\(key.map { hex($0) }.joined())"
    }
}
