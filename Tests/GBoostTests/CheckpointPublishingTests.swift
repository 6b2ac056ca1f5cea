import Audit
import Crypto
import Curl
import Foundation
import GatewayTesting
import Logging
import Providers
import Testing

@testable import Ledger
@testable import gboost

@Suite("Checkpoints are published to a webhook and into a bucket, signed, and tried again")
struct CheckpointPublishingTests {
    private static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func checkpoint(_ size: Int64) -> SignedCheckpoint {
        SignedCheckpoint(
            log: AuditLog(.escalations, tenant: 7), size: size,
            note: "gateway.test/escalations/7\n\(size)\nAAAA\n\n— gateway.test sig\n")
    }

    private static func answer(_ status: String) -> ScriptedPeer.Step {
        .send("HTTP/1.1 \(status)\r\nContent-Length: 2\r\n\r\nok")
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
            [.read, Self.answer("503 Away")],
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
            #expect(peer.requests.map { $0.header("x-gboost-event-id") } == [5, 5, 9].map { "escalations/7/\($0)" })
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
            let bucket = CheckpointBucket(
                url: peer.url + "/audit/gw", region: "eu-central-1", accessKey: Secret("AKIDEXAMPLE"),
                secretKey: Secret("wJalrXUtnFEMI"), client: client)
            try await bucket.publish(Self.checkpoint(12))
            let sent = try #require(peer.requests.first)
            let path = "/audit/gw/escalations-7-0000000000000000012.checkpoints"
            #expect(sent.head.hasPrefix("PUT \(path) HTTP/1.1\r\n"))
            #expect(sent.body == Array(Self.checkpoint(12).note.utf8))
            #expect(!sent.head.contains("wJalrXUtnFEMI"))
            #expect(sent.header("authorization") == Self.authorization(sent, path: path))
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
            #expect(queue.statistics == (1, 0) && peer.requests.count == 4)
            queue.add((1...5000).map { Self.checkpoint($0) })
            #expect(queue.statistics.pending == CheckpointQueue.maxPending)
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

    /// The header that a receiver works out from the request that came, by AWS's "Signature Version 4" as documented.
    private static func authorization(_ request: ScriptedPeer.Request, path: String) -> String? {
        guard let given = request.header("authorization"), let time = request.header("x-amz-date"),
            let names = given.components(separatedBy: "SignedHeaders=").last?.prefix(while: { $0 != "," })
        else { return nil }
        let digest = SHA256.hash(data: Data(request.body)).map { hex($0) }.joined()
        let headers = names.split(separator: ";").map { "\($0):\(request.header(String($0)) ?? "")\n" }.joined()
        let canonical = "PUT\n\(path)\n\n\(headers)\n\(names)\n\(digest)"
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
