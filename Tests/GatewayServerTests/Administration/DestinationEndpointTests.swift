import HTTPTypes
import Ledger
import Outbox
import Postgres
import Synchronization
import Testing

@testable import GatewayServer

/// Receivers that always answer the same; keeps what they were sent.
final class KeptSender: DestinationSender {
    private let outcome: DeliveryOutcome
    private let kept = Mutex<[(event: OutboxEvent, target: String)]>([])

    init(_ outcome: DeliveryOutcome) { self.outcome = outcome }

    var sent: [(event: OutboxEvent, target: String)] { kept.withLock { $0 } }

    func send(_ attempt: DeliveryAttempt, to destination: Destination) async -> DeliveryOutcome {
        if case .event(let event) = attempt.content { kept.withLock { $0.append((event, destination.target)) } }
        return outcome
    }
}

@Suite("Administration over HTTP: destinations and the outbox")
struct DestinationEndpointTests {
    private static let hook =
        #"{"tenant": "acme", "kind": "webhook", "target": "https://example.com/", "secrets": ["env:A"]}"#
    private static let mail =
        #"{"kind": "email", "target": "smtp://mail:25", "#
        + #""settings": {"from": "a@example.com", "to": ["b@example.com"]}}"#

    @Test("destinations are made, replaced, paused and removed by the operator; tenants see their own")
    func life() async throws {
        try await AdminFixture.with { fixture in
            let made = try await fixture.send(.put, "/destinations/hook", Self.hook)
            #expect(
                made.status == 201 && made.json("tenant") == "acme" && made.json("kind") == "webhook", "\(made.text)")
            #expect(made.json("secrets") == #"["env:A"]"# && made.json("paused_at") == nil)
            let operators = try await fixture.send(.put, "/destinations/hook", Self.mail)
            #expect(operators.status == 201 && operators.json("tenant") == nil)
            #expect(operators.json("settings", "to", "0") == "b@example.com")
            let changed = try await fixture.send(
                .put, "/destinations/hook",
                #"{"tenant": "acme", "kind": "webhook", "target": "https://example.org/", "#
                    + #""secrets": ["env:A", "env:B"], "events": ["escalation.refused"]}"#)
            #expect(changed.status == 200 && changed.json("events") == #"["escalation.refused"]"#)
            #expect(changed.json("target") == "https://example.org/" && changed.json("secrets", "1") == "env:B")
            #expect(try await fixture.events(1).first?.action == "destination.change")

            for asking in [AdminFixture.Asking.keyHolder, .role(.auditor), .role(.billing)] {
                let all = try await fixture.send(.get, "/destinations", by: asking)
                #expect(all.json("destinations", "0", "kind") == "email")
                #expect(all.json("destinations", "1", "kind") == "webhook" && all.json("destinations", "2") == nil)
                let one = try await fixture.send(.get, "/destinations?tenant=acme", by: asking)
                #expect(one.json("destinations", "0", "kind") == "webhook" && one.json("destinations", "1") == nil)
            }
            let own = try await fixture.send(.get, "/destinations", by: .role(.tenantAdmin, tenant: "acme"))
            #expect(own.json("destinations", "0", "tenant") == "acme" && own.json("destinations", "1") == nil)
            let others = try await fixture.send(.get, "/destinations", by: .role(.auditor, tenant: "other"))
            #expect(others.text == #"{"destinations":[]}"#)
            #expect(try await fixture.send(.get, "/destinations", by: .role(.tenantAdmin)).status == 400)

            let paused = try await fixture.send(.post, "/destinations/hook/pause", #"{"tenant": "acme"}"#)
            #expect(paused.json("paused_at") != nil && paused.json("paused_why") == "paused by admin-key")
            let resumed = try await fixture.send(.post, "/destinations/hook/resume", #"{"tenant": "acme"}"#)
            #expect(resumed.status == 200 && resumed.json("paused_at") == nil)
            #expect(try await fixture.send(.post, "/destinations/none/pause").status == 404)
            let removed = try await fixture.send(.delete, "/destinations/hook")
            #expect(removed.json("removed") == "hook" && removed.json("pending") == "0" && removed.json("dead") == "0")
            #expect(try await fixture.send(.delete, "/destinations/hook").status == 404)
            // The tenant's of that name is still there.
            #expect(try await fixture.send(.delete, "/destinations/hook?tenant=acme").status == 200)
        }
    }

    @Test("a destination is sent one event of the kind test, which is on record, and what came of it is said")
    func test() async throws {
        try await AdminFixture.with { plain in
            #expect(try await plain.send(.put, "/destinations/hook", Self.hook).status == 201)
            let mine = #"{"tenant": "acme"}"#
            // Where no events are sent from.
            #expect(try await plain.send(.post, "/destinations/hook/test", mine).status == 404)
            #expect(try await plain.events(1).first?.action == "destination.add")
            for (outcome, cause) in [
                (DeliveryOutcome.delivered, nil), (.refused("HTTP 403: no"), "HTTP 403: no"),
                (.failed("no connection", retryAfter: nil), "no connection"), (.gone("HTTP 410"), "HTTP 410"),
            ] as [(DeliveryOutcome, String?)] {
                let sender = KeptSender(outcome)
                var wired = plain
                wired.services.administration?.sender = sender
                // Paused or not.
                #expect(try await wired.send(.post, "/destinations/hook/pause", mine).status == 200)
                let answer = try await wired.send(.post, "/destinations/hook/test", mine)
                let sent = try #require(sender.sent.first)
                #expect(answer.status == 200 && answer.json("cause") == cause, "\(answer.text)")
                #expect(answer.json("delivered") == (cause == nil ? sent.event.id : nil), "\(answer.text)")
                #expect(sent.event.kind == .test && sent.event.tenant == "acme" && sent.event.id.hasPrefix("test-"))
                #expect(sent.target == "https://example.com/" && sender.sent.count == 1)
                let event = try #require(try await wired.events(1).first)
                #expect(event.action == "destination.test" && event.subject == "hook" && event.actor == "admin-key")
                #expect(event.after?.contains(sent.event.id) == true, "\(event.after ?? "")")
                // The operator has none of that name.
                let missing = try await wired.send(.post, "/destinations/hook/test")
                #expect(missing.status == 404 && missing.json("error", "param") == "destination")
                let own = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
                #expect(try await wired.send(.post, "/destinations/hook/test", mine, by: own).status == 403)
                #expect(sender.sent.count == 1)
            }
            #expect(try await plain.number("select count(*) from deliveries") == 0)
        }
    }

    @Test("what cannot be delivered to is refused by the field, and nothing comes about")
    func wrong() async throws {
        try await AdminFixture.with { fixture in
            let events = try await fixture.number("select count(*) from events")
            let target = #""target": "https://example.com/""#
            for (body, field) in [
                (#"{"kind": "webhook"}"#, "target"), (#"{\#(target)}"#, "kind"),
                (#"{"kind": "fax", \#(target)}"#, "kind"),
                (#"{"kind": "webhook", \#(target)}"#, "secrets"),
                (#"{"kind": "webhook", \#(target), "secrets": ["plain"]}"#, "secrets"),
                (#"{"kind": "webhook", \#(target), "secrets": 1}"#, "secrets"),
                (#"{"kind": "webhook", \#(target), "secrets": ["file:/a,file:/b"]}"#, "secrets"),
                (#"{"kind": "webhook", \#(target), "secrets": ["env:A"], "events": ["x"]}"#, "events"),
                (#"{"kind": "webhook", \#(target), "secrets": ["env:A"], "settings": {"colour": "x"}}"#, "colour"),
                (#"{"kind": "webhook", \#(target), "secrets": ["env:A"], "settings": {"code": "x"}}"#, "code"),
                (#"{"kind": "webhook", "target": "ftp://example.com/", "secrets": ["env:A"]}"#, "target"),
                (#"{"kind": "webhook", \#(target), "secret": "env:A"}"#, "secret"),
            ] {
                let answer = try await fixture.send(.put, "/destinations/hook", body)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            let nobody = try await fixture.send(
                .put, "/destinations/hook",
                #"{"tenant": "nobody", "kind": "webhook", \#(target), "secrets": ["env:A"]}"#)
            #expect(nobody.status == 404 && nobody.json("error", "param") == "tenant")
            #expect(try await fixture.number("select count(*) from destinations") == 0)
            #expect(try await fixture.number("select count(*) from events") == events)
        }
    }

    @Test("dead letters are listed with their cause to whom they belong, and queued again by the operator")
    func outbox() async throws {
        try await AdminFixture.with { fixture in
            #expect(try await fixture.send(.put, "/destinations/hook", Self.hook).status == 201)
            for number in 1...2 {
                let told = try await fixture.number(
                    """
                    select gboost_tell((select id from tenants where name = 'acme'), 'escalation.refused',
                      jsonb_build_object('n', \(number)))
                    """)
                #expect(told != nil)
            }
            let waiting = try await fixture.send(.get, "/outbox/pending?limit=1")
            #expect(waiting.json("pending", "0", "event")?.hasPrefix("event-") == true)
            #expect(waiting.json("pending", "1") == nil)
            #expect(try await fixture.send(.get, "/outbox/dead").text == #"{"dead":[]}"#)
            _ = try await fixture.pool.query(
                PostgresStatement(
                    trusted: "update deliveries set dead_at = now(), attempts = 5, last_error = 'HTTP 400: bad'"))
            let own = AdminFixture.Asking.role(.tenantAdmin, tenant: "acme")
            for asking in [AdminFixture.Asking.keyHolder, .role(.auditor), own] {
                let dead = try await fixture.send(.get, "/outbox/dead", by: asking)
                #expect(dead.json("dead", "0", "error") == "HTTP 400: bad" && dead.json("dead", "0", "attempts") == "5")
                #expect(dead.json("dead", "1", "destination") == "hook" && dead.json("dead", "1", "about") == "acme")
            }
            let other = AdminFixture.Asking.role(.tenantAdmin, tenant: "other")
            #expect(try await fixture.send(.get, "/outbox/dead", by: other).text == #"{"dead":[]}"#)
            #expect(try await fixture.send(.get, "/outbox/dead?destination=hook", by: other).status == 404)
            #expect(try await fixture.send(.get, "/outbox/dead?destination=hook&tenant=acme", by: own).status == 200)
            for query in ["limit=0", "limit=10001", "limit=x"] {
                #expect(try await fixture.send(.get, "/outbox/dead?\(query)").json("error", "param") == "limit")
            }

            let mine = #"{"destination": "hook", "tenant": "acme"}"#
            #expect(try await fixture.send(.post, "/outbox/retry", mine, by: own).status == 403)
            #expect(try await fixture.send(.post, "/outbox/retry", "{}").json("error", "param") == "destination")
            let missing = try await fixture.send(
                .post, "/outbox/retry", #"{"destination": "hook", "tenant": "acme", "id": 9999}"#)
            #expect(missing.status == 404 && missing.json("error", "param") == "id")
            let id = try #require(try await fixture.number("select min(id) from deliveries"))
            let one = try await fixture.send(
                .post, "/outbox/retry", #"{"destination": "hook", "tenant": "acme", "id": \#(id)}"#)
            #expect(one.status == 200 && one.text == #"{"queued":1}"#)
            #expect(try await fixture.send(.get, "/outbox/dead").json("dead", "1") == nil)
            #expect(try await fixture.send(.post, "/outbox/retry", mine).json("queued") == "1")
            #expect(try await fixture.number("select count(*) from deliveries where dead_at is null") == 2)
            #expect(try await fixture.events(1).first?.action == "outbox.retry")
        }
    }
}
