import Crypto
import Curl
import Foundation
import GatewayTesting
import Ledger
import Outbox
import Testing

@testable import gboost

@Suite("Deliveries over a real wire, on loopback")
struct DestinationSenderTests {
    private static let time = Date(timeIntervalSince1970: 1_800_000_000)
    private static let secret = "canary-secret-of-the-webhook"

    private func with(
        _ scripts: [ScriptedPeer.Step], _ work: (CurlDestinationSender, ScriptedPeer) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer(scripts)
        defer { peer.stop() }
        let client = try CurlClient()
        var sender = CurlDestinationSender(client: client)
        sender.environment = ["SECRET": Self.secret, "TOKEN": "token-1", "HOOK": peer.url + "/services/T0/B0/canary"]
        do { try await work(sender, peer) } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    private static func answer(_ status: String, _ body: String = "", _ extra: String = "") -> ScriptedPeer.Step {
        .send("HTTP/1.1 \(status)\r\n\(extra)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    private func destination(
        _ kind: DestinationKind, _ target: String, secrets: [String] = ["env:SECRET"],
        _ settings: DestinationSettings = DestinationSettings()
    ) -> Destination {
        Destination(
            id: 1, tenantID: 1, name: "d", kind: kind, target: target, secrets: secrets, kinds: [.budgetThreshold],
            settings: settings)
    }

    private func attempt(_ number: Int = 1) -> DeliveryAttempt {
        DeliveryAttempt(
            .event(
                OutboxEvent(
                    id: "event-7", kind: .budgetThreshold, at: Self.time, tenant: "acme", data: #"{"percent":80}"#)),
            number: number, at: Self.time)
    }

    private static func usage(_ numbers: ClosedRange<Int64>) -> DeliveryAttempt {
        let events = numbers.map {
            UsageEvent(number: $0, at: time, tenantID: 1, tenant: "acme", keyID: 2, model: "sim/m", nanoUSD: 5)
        }
        return DeliveryAttempt(.usage(UsageBatch(id: "usage-1", events)), number: 2, at: time)
    }
    private static let batch = usage(4...4)

    /// HMAC by its definition (RFC 2104), over the hash alone.
    private func code(_ text: [UInt8], _ secret: String) -> String {
        let key = Array(secret.utf8) + [UInt8](repeating: 0, count: 64 - secret.utf8.count)
        let inner = SHA256.hash(data: key.map { $0 ^ 0x36 } + text)
        let outer = SHA256.hash(data: key.map { $0 ^ 0x5C } + Array(inner))
        return outer.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test("what a receiver reads off the wire bears the signature that it computes for itself")
    func signature() async throws {
        try await with([.read, Self.answer("204 No Content"), .again]) { sender, peer in
            let destination = destination(.webhook, peer.url + "/hook?team=1")
            for number in 1...2 { #expect(await sender.send(attempt(number), to: destination) == .delivered) }
            #expect(peer.requests.count == 2)
            for (index, request) in peer.requests.enumerated() {
                #expect(request.head.hasPrefix("POST /hook?team=1 HTTP/1.1\r\n"))
                let stamp = try #require(request.header("x-gboost-timestamp"))
                #expect(
                    request.header("x-gboost-signature")
                        == "v1=" + code(Array("\(stamp).".utf8) + request.body, Self.secret))
                #expect(request.header("x-gboost-event-id") == "event-7")
                #expect(request.header("x-gboost-attempt") == "\(index + 1)")
                #expect(request.header("content-type") == "application/json")
                let document = try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any]
                #expect(document?["id"] as? String == "event-7" && document?["kind"] as? String == "budget.threshold")
                #expect(!request.head.contains("canary"))
                #expect(!String(decoding: request.body, as: UTF8.self).contains("canary"))
            }
        }
    }

    @Test("an answer is waited for as long as the document says, and a try ends long before the lease does")
    func patience() throws {
        let timeouts = CurlDestinationSender.timeouts
        let seconds = try #require(timeouts.firstByte).components.seconds
        let document = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/Outbox/README.md")
        #expect(try String(contentsOf: document, encoding: .utf8).contains("no answer in \(seconds) s |"))
        let total = try #require(timeouts.total)
        #expect(total * 2 < DeliverySettings().lease)
    }

    @Test("answers mean what they say; a broken wire, a redirection, an endless answer and no answer are failures")
    func outcomes() async throws {
        let steps: [ScriptedPeer.Step] = [
            .read, Self.answer("500 Oops", "sorry <b>"), .read, Self.answer("429 Slow", "", "Retry-After: 30\r\n"),
            .read, Self.answer("400 Bad", "no such field"), .read, Self.answer("410 Gone"),
            .read, Self.answer("302 Found", "", "Location: http://127.0.0.1:1/\r\n"), .read, .reset,
        ]
        try await with(steps) { sender, peer in
            let destination = destination(.webhook, peer.url)
            #expect(await sender.send(attempt(), to: destination) == .failed("HTTP 500: sorry  b ", retryAfter: nil))
            #expect(await sender.send(attempt(), to: destination) == .failed("HTTP 429", retryAfter: .seconds(30)))
            #expect(await sender.send(attempt(), to: destination) == .refused("HTTP 400: no such field"))
            #expect(await sender.send(attempt(), to: destination) == .gone("HTTP 410"))
            #expect(await sender.send(attempt(), to: destination) == .refused("HTTP 302"))
            guard case .failed(let cause, nil) = await sender.send(attempt(), to: destination) else {
                return #expect(Bool(false), "a broken connection")
            }
            #expect(cause.hasPrefix("the connection broke"))
        }
        try await with([.read, .send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"), .flood(1 << 20)]) {
            sender, peer in
            // It has said yes; the rest of its words is not waited for.
            #expect(await sender.send(attempt(), to: destination(.webhook, peer.url)) == .delivered)
        }
        try await with([.hang]) { sender, _ in
            let lost = destination(.webhook, "http://127.0.0.1:1")
            guard case .failed(let cause, nil) = await sender.send(attempt(), to: lost) else {
                return #expect(Bool(false), "nobody listens")
            }
            #expect(cause.hasPrefix("no connection") && !cause.contains("127.0.0.1"))
        }
    }

    @Test("a secret that is not there, and a reference to no URL, wait to be mended and are not repeated")
    func references() async throws {
        try await with([.read, Self.answer("200 OK", "ok"), .again]) { sender, peer in
            let pairs = [(peer.url, "env:MISSING"), ("env:SECRET", "env:SECRET"), ("file:/nowhere", "env:SECRET")]
            for (target, secret) in pairs {
                let wrong = destination(.webhook, target, secrets: [secret])
                guard case .failed(let cause, nil) = await sender.send(attempt(), to: wrong) else {
                    return #expect(Bool(false), "\(target)")
                }
                #expect(!cause.contains("canary"))
            }
            #expect(peer.requests.isEmpty)
            // Slack: the URL itself is the secret.
            #expect(await sender.send(attempt(), to: destination(.slack, "env:HOOK", secrets: [])) == .delivered)
            #expect(peer.requests.first?.head.hasPrefix("POST /services/T0/B0/canary HTTP/1.1") == true)
            let body = String(decoding: peer.requests.first?.body ?? [], as: UTF8.self)
            #expect(body.hasPrefix("{\"text\":\"acme: 80 %"))
        }
    }

    @Test("usage goes to OpenMeter's form and Lago's with a bearer token; what Lago has already is delivered")
    func meters() async throws {
        let knows = #"{"status":422,"error_details":{"0":{"transaction_id":["value_already_exist"]}}}"#
        let steps: [ScriptedPeer.Step] = [
            .read, Self.answer("204 No Content"), .read, Self.answer("200 OK", "{}"),
            .read, Self.answer("422 Unprocessable", knows), .read, Self.answer("422 Unprocessable", knows),
        ]
        try await with(steps) { sender, peer in
            let (meter, lago) = (
                destination(.cloudevents, peer.url + "/api/v1/events", secrets: ["env:TOKEN"]),
                destination(.lago, peer.url + "/api/v1/events/batch", secrets: ["env:TOKEN"])
            )
            #expect(await sender.send(Self.batch, to: meter) == .delivered)
            #expect(await sender.send(Self.batch, to: lago) == .delivered)
            #expect(await sender.send(Self.batch, to: lago) == .delivered)
            var first = Self.batch
            first.number = 1
            guard case .refused = await sender.send(first, to: lago) else {
                return #expect(Bool(false), "nothing was sent before the first try")
            }
            #expect(peer.requests.allSatisfy { $0.header("authorization") == "Bearer token-1" })
            #expect(peer.requests.first?.header("content-type") == "application/cloudevents-batch+json")
        }
    }

    @Test("of a batch that Lago has in part, as after a restore, the rest is sent alone and its answer decides")
    func metersInPart() async throws {
        let knows = #"{"transaction_id":["value_already_exist"]}"#
        let some = #"{"status":422,"error_details":{"0":\#(knows),"2":\#(knows)}}"#
        let other = #"{"status":422,"error_details":{"0":{"code":["value_is_invalid"]}}}"#
        let steps: [ScriptedPeer.Step] = [
            .read, Self.answer("422 Unprocessable", some), .read, Self.answer("200 OK", "{}"),
            .read, Self.answer("422 Unprocessable", some), .read, Self.answer("422 Unprocessable", other),
        ]
        try await with(steps) { sender, peer in
            let lago = destination(.lago, peer.url + "/api/v1/events/batch", secrets: ["env:TOKEN"])
            #expect(await sender.send(Self.usage(4...7), to: lago) == .delivered)
            guard case .refused = await sender.send(Self.usage(4...7), to: lago) else {
                return #expect(Bool(false), "the rest was refused")
            }
            let sent = try peer.requests.map { request in
                let document = try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any]
                return (document?["events"] as? [[String: Any]])?.compactMap { $0["transaction_id"] as? String }
            }
            let (all, rest) = (["usage-1-4", "usage-1-5", "usage-1-6", "usage-1-7"], ["usage-1-5", "usage-1-7"])
            #expect(sent == [all, rest, all, rest])
        }
    }

    @Test("a mail reaches a mail server, its reply decides, and it is readable")
    func mail() async throws {
        try await with([.hang]) { sender, _ in
            let server = try LoopbackMailServer()
            defer { server.stop() }
            var settings = DestinationSettings()
            (settings.from, settings.to) = ("gateway@example.com", ["ops@example.com"])
            settings.tls = MailSecurity.none
            let destination = destination(.email, server.url, secrets: [], settings)
            #expect(await sender.send(attempt(), to: destination) == .delivered)
            server.reply("550 who?", to: "RCPT")
            #expect(await sender.send(attempt(), to: destination) == .refused("SMTP 550"))
            server.reply("451 later", to: ".")
            #expect(await sender.send(attempt(), to: destination) == .failed("SMTP 451", retryAfter: nil))
            let mail = try #require(server.mails.first)
            #expect(server.mails.count == 1 && mail.to == ["ops@example.com"])
            #expect(mail.text.contains("\r\nSubject: gboost: budget.threshold, acme\r\n"))
            let encoded = mail.text.components(separatedBy: "\r\n\r\n").last?.replacing("\r\n", with: "") ?? ""
            let text = Data(base64Encoded: encoded).map { String(decoding: $0, as: UTF8.self) }
            #expect(text?.contains("80 % of the") == true)
            // Without protection nothing is said, unless told so.
            settings.tls = nil
            let strict = self.destination(.email, server.url, secrets: [], settings)
            guard case .failed = await sender.send(attempt(), to: strict) else {
                return #expect(Bool(false), "an unprotected mail")
            }
            #expect(server.mails.count == 1)
        }
    }
}
