import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: spend, statements and corrections")
struct StatementEndpointTests {
    @Test("spend is exact, by whatever it is asked for by, as JSON, as CSV and as FOCUS")
    func spend() async throws {
        try await AdminFixture.with { fixture in
            let (acme, other) = try await fixture.payers()
            _ = try await acme.pay([5, 7])
            _ = try await other.pay([11])
            let report = try await fixture.send(.get, "/spend?tenant=acme")
            #expect(report.status == 200 && report.json("settled_nano_usd") == "12", "\(report.text)")
            #expect(report.json("limit_nano_usd") == "10000000000" && report.json("held_nano_usd") == "0")
            #expect(report.each("rows", "name") == ["sim/general"] && report.each("rows", "calls") == ["2"])
            let month = try #require(report.json("month"))
            let byKey = try await fixture.send(.get, "/spend?tenant=acme&by=key&month=\(month)")
            #expect(byKey.each("rows", "name") == ["key:\(acme.caller.keyID)"])
            #expect(byKey.each("rows", "nano_usd") == ["12"] && byKey.json("by") == "key")
            let csv = try await fixture.send(.get, "/spend?tenant=acme&format=csv")
            #expect(csv.headers[.contentType] == "text/csv; charset=utf-8")
            #expect(csv.text.hasPrefix("model,usd,nano_usd,unreconciled_nano_usd,calls,"))
            #expect(csv.text.contains("\r\nsim/general,0.000000012,12,0,2,6,4,paid\r\n"))
            let focus = try await fixture.send(.get, "/spend?tenant=acme&format=focus")
            #expect(focus.text.hasPrefix("BilledCost,BillingAccountId,") && !focus.text.contains("0.000000011"))
            #expect(focus.text.contains("\r\n0.000000012,\(acme.caller.tenant.id),acme,USD,"))
            for (query, field) in [
                ("tenant=acme&by=colour", "by"), ("tenant=acme&format=xml", "format"), ("tenant=acme&x=1", "x"),
                ("tenant=acme&month=2026-13", "month"), ("tenant=acme&month=9999-12", "month"),
                ("tenant=acme&month=2026-%2B1", "month"),
                ("tenant=acme&format=focus&by=day", "by"), ("by=day", "tenant"),
            ] {
                let answer = try await fixture.send(.get, "/spend?\(query)")
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(query): \(answer.text)")
            }
            #expect(try await fixture.send(.get, "/spend?tenant=nobody").status == 404)
            // Another's is out of reach, by its number too; one's own needs no name.
            let own = AdminFixture.Asking.role(.billing, tenant: "other")
            #expect(try await fixture.send(.get, "/spend", by: own).json("settled_nano_usd") == "11")
            for name in ["acme", "%23\(acme.caller.tenant.id)"] {
                #expect(try await fixture.send(.get, "/spend?tenant=\(name)", by: own).status == 403)
            }
        }
    }

    @Test("billing enters credits and closes months; each says who did it, and a closed month stays as it is")
    func statements() async throws {
        try await AdminFixture.with { fixture in
            let billing = AdminFixture.Asking.role(.billing, tenant: "acme")
            let credit = try await fixture.send(
                .post, "/corrections",
                #"{"kind": "credit", "amount_usd": "1.000000001", "reason": "<b>&outage", "month": "2025-03"}"#,
                by: billing)
            #expect(credit.status == 201 && credit.json("nano_usd") == "-1000000001", "\(credit.text)")
            #expect(credit.json("author") == "jwt:billing" && credit.json("kind") == "credit")
            let event = try #require(try await fixture.events(1).first)
            #expect(event.action == "statement.credit" && event.actor == "jwt:billing")
            let less = try await fixture.send(
                .post, "/corrections",
                #"{"tenant": "acme", "kind": "adjustment", "amount_usd": -5, "reason": "less", "month": "2025-03"}"#)
            #expect(less.status == 201 && less.json("nano_usd") == "-5000000000")
            #expect(less.json("author") == "admin-key")

            #expect(try await fixture.send(.get, "/statements?tenant=acme").text == #"{"statements":[]}"#)
            let open = try await fixture.send(.get, "/statements/2025-03?tenant=acme")
            #expect(open.json("closing_nano_usd") == "-6000000001" && open.json("closed_at") == nil)
            let close = #"{"tenant": "acme"}"#
            #expect(try await fixture.send(.post, "/statements/2098-01/close", close, by: billing).status == 409)
            #expect(try await fixture.send(.post, "/statements/2025-3/close", close, by: billing).status == 400)
            let closed = try await fixture.send(.post, "/statements/2025-03/close", close, by: billing)
            #expect(closed.status == 200 && closed.json("closed_by") == "jwt:billing", "\(closed.text)")
            #expect(try await fixture.events(1).first?.action == "statement.close")
            #expect(try await fixture.send(.post, "/statements/2025-03/close", close).status == 409)

            let list = try await fixture.send(.get, "/statements?tenant=acme")
            #expect(list.each("statements", "month") == ["2025-03"])
            #expect(list.each("statements", "closing_nano_usd") == ["-6000000001"])
            #expect(try await fixture.send(.get, "/statements/2025-03?tenant=acme").text == closed.text)
            let csv = try await fixture.send(.get, "/statements/2025-03?tenant=acme&format=csv")
            #expect(csv.text.contains("balance,closing,-6.000000001,-6000000001"))
            let page = try await fixture.send(.get, "/statements/2025-03?tenant=acme&format=html")
            #expect(page.headers[.contentType] == "text/html; charset=utf-8")
            #expect(page.text.contains("&lt;b&gt;&amp;outage") && !page.text.contains("<b>"))
            #expect(try await fixture.send(.get, "/statements/2025-03?tenant=acme&format=pdf").status == 400)
        }
    }

    @Test("nothing is entered by a request that is not a correction, or into a closed month")
    func mistakes() async throws {
        try await AdminFixture.with { fixture in
            let whole = #""tenant": "acme", "month": "2025-03", "reason": "r""#
            let good = #"{\#(whole), "kind": "payment", "amount_usd": 2}"#
            #expect(try await fixture.send(.post, "/corrections", good).status == 201)
            for (body, field) in [
                (#"{\#(whole), "kind": "credit"}"#, "amount_usd"), (#"{\#(whole), "amount_usd": 1}"#, "kind"),
                (#"{\#(whole), "kind": "gift", "amount_usd": 1}"#, "kind"),
                (#"{\#(whole), "kind": "credit", "amount_usd": 0}"#, "amount_usd"),
                (#"{\#(whole), "kind": "payment", "amount_usd": "-1"}"#, "amount_usd"),
                (#"{\#(whole), "kind": "adjustment", "amount_usd": 0.0}"#, "amount_usd"),
                (#"{\#(whole), "kind": "credit", "amount_usd": 1e3}"#, "amount_usd"),
                (#"{\#(whole), "kind": "credit", "amount_usd": "0.0000000001"}"#, "amount_usd"),
                (#"{\#(whole), "kind": "credit", "amount_usd": true}"#, "amount_usd"),
                (#"{\#(whole), "kind": "credit", "amount_usd": 1, "author": "me"}"#, "author"),
                (#"{"tenant": "acme", "kind": "credit", "amount_usd": 1}"#, "reason"),
                (#"{"tenant": "acme", "kind": "credit", "amount_usd": 1, "reason": " "}"#, "reason"),
                (#"{"tenant": "acme", "kind": "credit", "amount_usd": 1, "reason": "r", "month": "x"}"#, "month"),
            ] {
                let answer = try await fixture.send(.post, "/corrections", body)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(body): \(answer.text)")
            }
            let nothing = #"{\#(whole), "kind": "credit", "amount_usd": 0}"#
            #expect(
                try await fixture.send(.post, "/corrections", nothing).json("error", "message")
                    == "'amount_usd' must be more than zero; an adjustment may also be less.")
            // With what is entered already it could not be counted.
            let most = #"{\#(whole), "kind": "adjustment", "amount_usd": 9000000000}"#
            #expect(try await fixture.send(.post, "/corrections", most).status == 201)
            let tooMuch = try await fixture.send(.post, "/corrections", most)
            #expect(tooMuch.status == 400 && tooMuch.json("error", "param") == "amount_usd", "\(tooMuch.text)")
            #expect(try await fixture.send(.post, "/statements/2025-03/close?tenant=acme").status == 200)
            let late = try await fixture.send(.post, "/corrections", good)
            #expect(late.status == 409 && late.json("error", "param") == "month")
            #expect(try await fixture.number("select count(*) from statement_entries") == 2)
        }
    }
}
