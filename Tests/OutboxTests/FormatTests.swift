import Crypto
import Foundation
import Outbox
import Testing

@Suite("Forms in which events are sent")
struct FormatTests {
    static let time = Date(timeIntervalSince1970: 1_800_000_000.25)
    static let event = OutboxEvent(
        id: "event-7", kind: .budgetThreshold, at: time, tenant: "acme",
        data: #"{"tag": null, "cycle": "month", "limit": 10000000000, "budget": 3, "key_id": null, "#
            + #""period": 20270100, "percent": 80, "settled": 8000000000, "team_id": 2, "model": "sim/*"}"#)

    static func destination(
        _ kind: DestinationKind, _ settings: DestinationSettings = DestinationSettings()
    ) -> Destination {
        Destination(
            id: 1, tenantID: nil, name: "d", kind: kind, target: "https://example.com/hook", secrets: ["env:SECRET"],
            kinds: [.budgetThreshold], settings: settings)
    }

    static let usage: [UsageEvent] = {
        var one = UsageEvent(
            number: 41, at: time, tenantID: 3, tenant: "acme", keyID: 9, model: "sim/general", nanoUSD: 12_500)
        (one.team, one.route, one.request) = ("research", "math", "0191e5c2-0000-7000-8000-000000000001")
        (one.inputTokens, one.cachedInputTokens, one.outputTokens) = (120, 20, 30)
        var two = UsageEvent(
            number: 42, at: time.addingTimeInterval(1), tenantID: 3, tenant: "acme", keyID: 9, model: "sim/general",
            nanoUSD: -500)
        (two.entryKind, two.request) = ("adjustment", "0191e5c2-0000-7000-8000-000000000002")
        (one.mark, two.mark) = ("65928508ab6fdbcb", "0c4f1d2e3b5a6978")
        return [one, two]
    }()
    static let batch = UsageBatch(id: "usage-3-41-42-76a81c0c8474fd13", usage)

    private func body(_ destination: Destination, _ content: DeliveryContent) -> String {
        let attempt = DeliveryAttempt(content, number: 2, at: Self.time)
        return String(decoding: destination.message(attempt, secrets: ["s"]).body, as: UTF8.self)
    }

    private func headers(_ destination: Destination, _ content: DeliveryContent) -> [String: String] {
        let message = destination.message(DeliveryAttempt(content, number: 2, at: Self.time), secrets: ["s", "t"])
        return Dictionary(uniqueKeysWithValues: message.headers.map { ($0.name, $0.value) })
    }

    @Test("a webhook's document and headers, to the byte")
    func webhook() {
        let golden =
            #"{"id":"event-7","kind":"budget.threshold","at":"2027-01-15T08:00:00.250Z","tenant":"acme","data":"#
            + Self.event.data + "}"
        #expect(body(Self.destination(.webhook), .event(Self.event)) == golden)
        let headers = headers(Self.destination(.webhook), .event(Self.event))
        #expect(headers["content-type"] == "application/json" && headers["x-gboost-event-id"] == "event-7")
        #expect(headers["x-gboost-event-kind"] == "budget.threshold" && headers["x-gboost-attempt"] == "2")
        #expect(headers["x-gboost-timestamp"] == "1800000000")
        let parts = headers["x-gboost-signature"]?.split(separator: ",") ?? []
        #expect(parts.count == 2 && parts.allSatisfy { $0.hasPrefix("v1=") && $0.count == 67 })
    }

    @Test(
        "a refused call's line says what it was refused by",
        arguments: [
            (
                #"{"reason": "budget", "scope": "key:7", "limit": 2000000000, "settled": 2000000000}"#,
                "the budget of key:7 is used up, 2.000000000 of 2.000000000 USD (further refusals of this period"
            ),
            // As gateways of earlier versions have it.
            (#"{"scope": "key:7", "limit": 2000000000, "settled": 1}"#, "the budget of key:7 is used up"),
            (
                #"{"reason": "rate_limit", "scope": "team:ops", "unit": "tokens", "limit": 900, "used": 880}"#,
                "team:ops may have 900 tokens a minute (further refusals of today are not told)"
            ),
            (
                #"{"reason": "rate_limit", "scope": "key:7", "unit": "parallel", "limit": 4, "used": 4}"#,
                "key:7 may have 4 calls at once"
            ),
            (#"{"reason": "price_unknown", "model": "openai/new"}"#, "openai/new has no price in force"),
            (#"{"reason": "no_budget", "model": "openai/new"}"#, "no budget covers openai/new"),
        ])
    func refusedLine(data: String, says: String) {
        let event = OutboxEvent(id: "event-8", kind: .escalationRefused, at: Self.time, tenant: "acme", data: data)
        #expect(body(Self.destination(.slack), .event(event)).contains("acme: a paid call was refused: \(says)"))
    }

    @Test("the signature is what another program computes, with one secret and with two")
    func signature() {
        // By Python's hmac and hashlib.
        let codes = [
            "fd672ed9b5c3afd32befd6c020930d20ff583916c50c5fac4af7c7c2773c36d6",
            "40e89693564513f3116b5f2e1b689ddad35e95418f9ecb63fef4c4750284912a",
        ]
        let body = Array(#"{"id":"event-7"}"#.utf8)
        let secrets = ["a secret of thirty-two characters", "another secret"]
        #expect(WebhookSignature.value(body: body, at: Self.time, secrets: [secrets[0]]) == "v1=\(codes[0])")
        #expect(
            WebhookSignature.value(body: body, at: Self.time, secrets: secrets) == "v1=\(codes[0]),v1=\(codes[1])")
        // And by the definition (RFC 2104), over the hash alone.
        for (secret, code) in zip(secrets, codes) {
            let key = Array(secret.utf8) + [UInt8](repeating: 0, count: 64 - secret.utf8.count)
            let inner = SHA256.hash(data: key.map { $0 ^ 0x36 } + Array("1800000000.".utf8) + body)
            let outer = SHA256.hash(data: key.map { $0 ^ 0x5C } + Array(inner))
            #expect(outer.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == code)
        }
        for other in [body + [0x20], Array(#"{"id":"event-8"}"#.utf8)] {
            #expect(!WebhookSignature.value(body: other, at: Self.time, secrets: secrets).contains(codes[0]))
        }
        #expect(
            !WebhookSignature.value(body: body, at: Self.time.addingTimeInterval(1), secrets: secrets)
                .contains(codes[0]))
    }

    @Test("a webhook's batch of usage names the numbers that it spans, and each event has its own id")
    func usageWebhook() throws {
        let text = body(Self.destination(.webhook), .usage(Self.batch))
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(document["id"] as? String == "usage-3-41-42-76a81c0c8474fd13")
        let events = (document["data"] as? [String: Any])?["events"] as? [[String: Any]]
        #expect(
            events?.compactMap { $0["id"] as? String }
                == ["usage-3-41-65928508ab6fdbcb", "usage-3-42-0c4f1d2e3b5a6978"])
        #expect(events?.compactMap { $0["cost_nano_usd"] as? Int } == [12_500, -500])
        let header = headers(Self.destination(.webhook), .usage(Self.batch))["x-gboost-event-id"]
        #expect(header == "usage-3-41-42-76a81c0c8474fd13")
    }

    @Test("a batch that was queued before ids had marks keeps the ids that it had, as do its events")
    func unmarked() {
        let old = UsageBatch(id: nil, Self.usage)
        #expect(old.id == "usage-3-41-42" && old.events.map(\.id) == ["usage-3-41", "usage-3-42"])
        #expect(body(Self.destination(.lago), .usage(old)).contains(#""transaction_id":"usage-3-42","#))
    }

    @Test("Slack's document, to the byte, with what Slack would read otherwise escaped")
    func slack() {
        #expect(
            body(Self.destination(.slack), .event(Self.event))
                == #"{"text":"acme: 80 % of the month's budget is spent (team 2, model sim/*): 8.000000000 of "#
                + #"10.000000000 USD"}"#)
        var hostile = Self.event
        hostile.data = #"{"percent":5,"limit":1,"settled":1,"cycle":"day","tag":"<!channel>&\"\n"}"#
        #expect(
            body(Self.destination(.slack), .event(hostile))
                == #"{"text":"acme: 5 % of the day's budget is spent (the tenant, tag &lt;!channel&gt;&amp;\"\n): "#
                + #"0.000000001 of 0.000000001 USD"}"#)
    }

    @Test("a mark that joins a character does not hide it from being escaped")
    func slackMarks() {
        var hostile = Self.event
        hostile.data =
            #"{"percent":5,"limit":1,"settled":1,"cycle":"day","tag":"\#u{600}<!channel>\#u{301}\#u{600}&\#u{301}"}"#
        #expect(
            body(Self.destination(.slack), .event(hostile))
                == #"{"text":"acme: 5 % of the day's budget is spent (the tenant, tag "#
                + #"\#u{600}&lt;!channel&gt;\#u{301}\#u{600}&amp;\#u{301}): "#
                + #"0.000000001 of 0.000000001 USD"}"#)
    }

    @Test("every kind has a line that a person can read, also where its data says nothing")
    func lines() {
        for kind in EventKind.allCases {
            for data in ["{}", "null", #"{"amount":"x"}"#, #"{"provider":"openai","gateway":"g","lag_seconds":75.0}"#] {
                let event = OutboxEvent(id: "event-1", kind: kind, at: Self.time, tenant: nil, data: data)
                let text = body(Self.destination(.slack), .event(event))
                #expect(text.hasPrefix("{\"text\":\"gateway: ") && text.count >= 24, "\(kind): \(text)")
            }
        }
    }

    @Test("CloudEvents 1.0 in a JSON batch, to the byte")
    func cloudEvents() {
        var settings = DestinationSettings()
        settings.source = "gboost/eu"
        let destination = Self.destination(.cloudevents, settings)
        let golden =
            #"[{"specversion":"1.0","id":"usage-3-41-65928508ab6fdbcb","source":"gboost/eu","#
            + #""type":"gboost.usage","subject":"acme","#
            + #""time":"2027-01-15T08:00:00.250Z","datacontenttype":"application/json","data":{"tenant":"acme","#
            + #""team":"research","key_id":"9","route":"math","model":"sim/general","#
            + #""request":"0191e5c2-0000-7000-8000-000000000001","entry":"charge","number":41,"input_tokens":120,"#
            + #""cached_input_tokens":20,"output_tokens":30,"total_tokens":150,"cost_nano_usd":12500}},"#
            + #"{"specversion":"1.0","id":"usage-3-42-0c4f1d2e3b5a6978","source":"gboost/eu","#
            + #""type":"gboost.usage","subject":"acme","#
            + #""time":"2027-01-15T08:00:01.250Z","datacontenttype":"application/json","data":{"tenant":"acme","#
            + #""team":null,"key_id":"9","route":null,"model":"sim/general","#
            + #""request":"0191e5c2-0000-7000-8000-000000000002","entry":"adjustment","number":42,"input_tokens":0,"#
            + #""cached_input_tokens":0,"output_tokens":0,"total_tokens":0,"cost_nano_usd":-500}}]"#
        #expect(body(destination, .usage(Self.batch)) == golden)
        let headers = headers(destination, .usage(Self.batch))
        #expect(headers["content-type"] == "application/cloudevents-batch+json")
        #expect(headers["authorization"] == "Bearer s" && headers["x-gboost-signature"] == nil)
        #expect(
            body(Self.destination(.cloudevents), .event(Self.event)).hasPrefix(
                #"[{"specversion":"1.0","id":"event-7","source":"gboost","type":"gboost.budget.threshold","#))
    }

    @Test("Lago's batch, to the byte")
    func lago() {
        var settings = DestinationSettings()
        settings.code = "llm"
        let batch = UsageBatch(id: "usage-3-41-41-1e2f1f311fb49935", [Self.usage[0]])
        let text = body(Self.destination(.lago, settings), .usage(batch))
        #expect(
            text
                == #"{"events":[{"transaction_id":"usage-3-41-65928508ab6fdbcb","external_subscription_id":"acme","#
                + #""code":"llm","#
                + #""timestamp":1800000000,"properties":{"tenant":"acme","team":"research","key_id":"9","#
                + #""route":"math","model":"sim/general","request":"0191e5c2-0000-7000-8000-000000000001","#
                + #""entry":"charge","number":41,"input_tokens":120,"cached_input_tokens":20,"output_tokens":30,"#
                + #""total_tokens":150,"cost_nano_usd":12500}}]}"#)
    }

    @Test("a mail, to the byte; a strange tenant's name cannot add a header line")
    func mail() {
        var settings = DestinationSettings()
        (settings.from, settings.to) = ("gateway@example.com", ["a@example.com", "b@example.com"])
        let destination = Self.destination(.email, settings)
        let mail = destination.mail(DeliveryAttempt(.event(Self.event), number: 1, at: Self.time))
        #expect(mail.from == "gateway@example.com" && mail.to == ["a@example.com", "b@example.com"])
        let parts = mail.text.split(separator: "\r\n\r\n", maxSplits: 1)
        #expect(
            parts.first
                == """
                From: <gateway@example.com>\r
                To: <a@example.com>,\r
                 <b@example.com>\r
                Subject: gboost: budget.threshold, acme\r
                Date: Fri, 15 Jan 2027 08:00:00 +0000\r
                Message-ID: <event-7@example.com>\r
                Auto-Submitted: auto-generated\r
                MIME-Version: 1.0\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Transfer-Encoding: base64
                """)
        let encoded = (parts.last ?? "").split(separator: "\r\n")
        #expect(encoded.allSatisfy { $0.count <= 76 } && mail.text.hasSuffix("\r\n"))
        let text = Data(base64Encoded: encoded.joined()).map { String(decoding: $0, as: UTF8.self) } ?? ""
        #expect(text.hasPrefix("acme: 80 % of the month's budget is spent (team 2, model sim/*)"))
        #expect(text.contains(Self.event.data))
        var strange = Self.event
        strange.tenant = "añ\r\nBcc: x@example.com" + String(repeating: "é", count: 60)
        let other = destination.mail(DeliveryAttempt(.event(strange), number: 1, at: Self.time))
        let lines = other.text.components(separatedBy: "\r\n\r\n")[0].components(separatedBy: "\r\n")
        #expect(!lines.contains { $0.hasPrefix("Bcc") } && lines.allSatisfy { $0.utf8.count <= 78 })
    }
}
