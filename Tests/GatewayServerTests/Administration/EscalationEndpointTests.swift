import Foundation
import GatewayCore
import HTTPTypes
import Ledger
import Logging
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: why paid calls were made, or were not")
struct EscalationEndpointTests {
    @Test("escalations come page by page, each by its number, and another tenant's are not there")
    func list() async throws {
        try await AdminFixture.with { fixture in
            let (acme, other) = try await fixture.payers()
            let holds = try await acme.pay([1, 2, 3, 4, 5])
            _ = try await other.pay([11])
            let first = try await fixture.send(.get, "/escalations?tenant=acme&limit=2")
            #expect(first.each("escalations", "seq") == ["1", "2"] && first.json("next_after") == "2")
            #expect(first.each("escalations", "hold") == holds.prefix(2).map(\.description))
            let last = try await fixture.send(.get, "/escalations?tenant=acme&limit=3&after=4")
            #expect(last.each("escalations", "amount_nano_usd") == ["5"])
            #expect(last.text.hasSuffix(#""next_after":null}"#), "\(last.text)")
            let early = try await fixture.send(.get, "/escalations?tenant=acme&month=2025-03")
            #expect(early.text == #"{"escalations":[],"next_after":null}"#)
            let third = try await fixture.send(.get, "/escalations/3?tenant=acme")
            #expect(third.json("seq") == "3" && third.json("hold") == holds[2].description)
            #expect(third.json("amount_nano_usd") == "3" && third.json("held_nano_usd") == "1000")
            #expect(third.json("kind") == "direct" && third.json("model") == "sim/general")
            let none = try await fixture.send(.get, "/escalations/6?tenant=acme")
            #expect(none.status == 404 && none.json("error", "param") == "seq")

            for (path, field) in [
                ("/escalations/0?tenant=acme", "seq"), ("/escalations/x?tenant=acme", "seq"),
                ("/escalations?tenant=acme&limit=0", "limit"), ("/escalations?tenant=acme&limit=1001", "limit"),
                ("/escalations?tenant=acme&after=-1", "after"), ("/escalations?tenant=acme&month=11", "month"),
                ("/escalations/export?tenant=acme&month=11", "month"),
                ("/escalations/export?tenant=acme&format=xml", "format"), ("/refusals?tenant=acme&limit=0", "limit"),
            ] {
                let answer = try await fixture.send(.get, path)
                #expect(answer.status == 400 && answer.json("error", "param") == field, "\(path): \(answer.text)")
            }
            let own = AdminFixture.Asking.role(.tenantAdmin, tenant: "other")
            #expect(try await fixture.send(.get, "/escalations", by: own).each("escalations", "seq") == ["1"])
            #expect(try await fixture.send(.get, "/escalations/1", by: own).json("amount_nano_usd") == "11")
            #expect(try await fixture.send(.get, "/escalations/3", by: own).status == 404)
            #expect(try await fixture.send(.get, "/escalations/3?tenant=acme", by: own).status == 403)
        }
    }

    @Test("an export has every escalation once, in order, over all its pages; what is wrong is said before it begins")
    func export() async throws {
        try await AdminFixture.with { fixture in
            let payer = try await fixture.payers().acme
            _ = try await payer.pay([8])
            try await fixture.record(2 * EscalationText.pageSize + 5, by: payer)
            let count = 2 * EscalationText.pageSize + 6
            let lines = try await fixture.send(.get, "/escalations/export?tenant=acme")
            #expect(lines.status == 200 && lines.headers[.contentType] == "application/jsonl")
            #expect(lines.headers[.cacheControl] == "no-store")
            let numbers = try lines.text.split(separator: "\n").map { line in
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                return object?["seq"] as? Int ?? 0
            }
            #expect(numbers == Array(1...count))
            let csv = try await fixture.send(.get, "/escalations/export?tenant=acme&format=csv&after=\(count - 1)")
            #expect(csv.headers[.contentType] == "text/csv; charset=utf-8")
            let rows = csv.text.split(separator: "\r\n")
            #expect(rows.count == 2 && rows[0] == EscalationText.columns.joined(separator: ","))
            #expect(rows.last?.hasPrefix("\(count),") == true)
            let formula = try await fixture.send(.get, "/escalations/export?tenant=acme&format=csv")
            #expect(formula.text.contains(",'=asked for,"))
            let month = "/escalations/export?tenant=acme&month=2025-03"
            #expect(try await fixture.send(.get, month).text.isEmpty)
            #expect(try await fixture.send(.get, "/escalations/export?tenant=nobody").status == 404)
        }
    }

    @Test("refused calls are listed with what was wanted, numbered once they are sealed")
    func refusals() async throws {
        try await AdminFixture.with { fixture in
            let (acme, other) = try await fixture.payers()
            await acme.refused(3)
            await other.refused(1)
            let fresh = try await fixture.send(.get, "/refusals?tenant=acme")
            #expect(fresh.each("refusals", "seq") == ["null", "null", "null"], "\(fresh.text)")
            #expect(fresh.each("refusals", "wanted_nano_usd") == ["900", "900", "900"])
            _ = try await fixture.store.audit.seal()
            let page = try await fixture.send(.get, "/refusals?tenant=acme&limit=2&after=1")
            #expect(page.each("refusals", "seq") == ["2", "3"] && page.json("next_after") == "3")
            #expect(page.json("refusals", "0", "refusal") == "budget")
            let end = try await fixture.send(.get, "/refusals?tenant=acme&after=3")
            #expect(end.text == #"{"next_after":null,"refusals":[]}"#)
            // A page that ends among those without a number is not the last.
            await acme.refused(3)
            let mixed = try await fixture.send(.get, "/refusals?tenant=acme&limit=4&after=1")
            #expect(mixed.each("refusals", "seq") == ["2", "3", "null", "null"] && mixed.json("next_after") == "3")
            let own = AdminFixture.Asking.role(.auditor, tenant: "other")
            #expect(try await fixture.send(.get, "/refusals", by: own).each("refusals", "seq") == ["1"])
        }
    }

    @Test("a text is read by the gateway's key; without it, or with another, the reason is said")
    func text() async throws {
        try await AdminFixture.with { fixture in
            let payer = try await fixture.payers().acme
            let hold = try await payer.pay([1, 2])[0]
            _ = try await fixture.store.setCapture(days: 3, tenant: "acme")
            let keys = try TextKeyring(String(repeating: "0a", count: 32))
            let texts = TextStore(
                pool: fixture.pool, keys: keys, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            texts.keep(
                CapturedText(
                    call: hold, tenantID: payer.caller.tenant.id, prompt: Array("a question".utf8),
                    answer: Array("an answer".utf8)))
            await texts.drain()
            let path = "/escalations/1/text?tenant=acme"
            let without = try await fixture.send(.get, path)
            #expect(without.status == 404 && without.json("error", "param") == "capture.key")
            #expect(without.json("error", "message")?.hasPrefix("capture.key is not configured, ") == true)
            let reading = fixture.having(AdminRecords(textKeys: keys))
            let found = try await reading.send(.get, path, by: .role(.auditor))
            #expect(found.status == 200 && found.json("prompt") == "a question", "\(found.text)")
            #expect(found.json("answer") == "an answer" && found.json("call") == hold.description)
            #expect(try await reading.send(.get, "/escalations/2/text?tenant=acme").status == 404)
            let foreign = AdminFixture.Asking.role(.tenantAdmin, tenant: "other")
            #expect(try await reading.send(.get, path, by: foreign).status == 403)
            #expect(try await reading.send(.get, "/escalations/1/text", by: foreign).status == 404)
            let other = fixture.having(AdminRecords(textKeys: try TextKeyring(String(repeating: "0b", count: 32))))
            let closed = try await other.send(.get, path)
            #expect(closed.status == 409 && closed.json("error", "param") == "capture.key")
            #expect(!closed.text.contains("question"))
        }
    }
}
