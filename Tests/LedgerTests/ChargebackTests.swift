import Foundation
import GatewayCore
import GatewayTesting
import Testing

@testable import Ledger

/// What tenants are charged inside the company for local models, against a plain computation of the same.
@Suite("Chargeback: local models have a rate, and no budget")
struct ChargebackTests {
    /// A rate as an operator sets it, and as the computation below takes it.
    private struct Rate {
        var model: String
        var from: String
        var input: Int64
        var output: Int64
        var perCall: Int64
    }
    private static let rates = [
        Rate(model: "*", from: "2026-01-01T00:00:00Z", input: 333, output: 1_001, perCall: 0),
        Rate(model: "maths", from: "2026-01-01T00:00:00Z", input: 20_000, output: 70_001, perCall: 1_500),
        Rate(model: "maths", from: "2026-03-15T12:00:00Z", input: 10_000, output: 0, perCall: 7),
    ]

    private static func date(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    private static func request(
        _ f: LedgerFixture, at: Date, slm: String?, tokens: (Int64, Int64), team: Int64? = nil
    ) -> RequestRecord {
        var record = RequestRecord(
            id: UUID(), tenantID: f.tenant.id, teamID: team, keyID: f.key.info.id, model: "math", route: "math",
            servedBy: .slm, status: 200, steps: 1, escalations: 0, degraded: nil, slmInputTokens: tokens.0,
            slmOutputTokens: tokens.1, costNanoUSD: 0, startedAt: at, milliseconds: 1)
        record.slm = slm
        return record
    }

    /// The same sum in the plainest way: the newest rate of the model's own, else of all models', rounded up once.
    private static func charge(_ record: RequestRecord) throws -> Int64 {
        guard let slm = record.slm, record.slmInputTokens + record.slmOutputTokens > 0 else { return 0 }
        for model in [slm, "*"] {
            let known = try rates.filter { try $0.model == model && date($0.from) <= record.startedAt }
            guard let rate = known.last else { continue }
            let pico = record.slmInputTokens * rate.input + record.slmOutputTokens * rate.output
            return rate.perCall + (pico + 999) / 1000
        }
        return 0
    }

    private static func setRates(_ f: LedgerFixture) async throws {
        for rate in rates {
            _ = try await f.admin.setPrice(
                PriceDraft(
                    model: ModelReference(provider: "slm", model: rate.model),
                    inputUSDPerMtok: TokenRate.usdPerMillion(picoPerToken: rate.input),
                    outputUSDPerMtok: TokenRate.usdPerMillion(picoPerToken: rate.output),
                    perCallUSD: NanoUSD(rate.perCall).usdString, effectiveAt: try date(rate.from)))
        }
    }

    /// Requests of March 2026 in Berlin, whose clocks go forward in it: its first and last moments are among them.
    private static func march(_ f: LedgerFixture, team: Int64) throws -> [RequestRecord] {
        var dice = SplitMix64(seed: 20)
        let (first, last) = (try date("2026-02-28T23:00:00Z"), try date("2026-03-31T21:59:59Z"))
        var records = (0..<60).map { index in
            let within = first + Double(Int.random(in: 1...2_674_000, using: &dice))
            var record = request(
                f, at: index == 0 ? first : index == 1 ? last : within,
                slm: [nil, "maths", "maths", "other"][index % 4],
                tokens: (Int64.random(in: 0...5000, using: &dice), Int64.random(in: 0...900, using: &dice)),
                team: index % 3 == 0 ? team : nil)
            if index % 5 == 0 { record.route = "second" }
            return record
        }
        records.append(request(f, at: first + 5, slm: "maths", tokens: (0, 0)))
        return records
    }

    private static func name(_ record: RequestRecord, _ grouping: SpendGrouping) -> String {
        switch grouping {
        case .team: record.teamID == nil ? "(no team)" : "lab"
        case .key: "key:\(record.keyID)"
        case .model: record.slm ?? ""
        case .route: record.route ?? ""
        case .day:
            record.startedAt.formatted(
                Date.ISO8601FormatStyle(timeZone: TimeZone(identifier: "Europe/Berlin") ?? .gmt).year().month().day())
        }
    }

    @Test("every grouping of report, statement and FOCUS is the plain sum; a request recorded twice is charged once")
    func sums() async throws {
        // A budget of nothing: no paid call could be made, and local models need none.
        try await LedgerFixture.with(limit: 0, timeZone: "Europe/Berlin") { f in
            try await Self.setRates(f)
            let ledger = try await f.ledger()
            let records = try Self.march(f, team: try await f.admin.createTeam(name: "lab", tenant: "acme").id)
            let outside = try ["2026-02-28T22:59:59Z", "2026-03-31T22:00:00Z", "2025-12-31T12:00:00Z"].map {
                Self.request(f, at: try Self.date($0), slm: "maths", tokens: (10, 10))
            }
            for record in records + outside + records.prefix(7) { await ledger.record(record) }

            let charges = try records.map { ($0, try Self.charge($0)) }.filter { $0.1 > 0 }
            let total = charges.reduce(0) { $0 + $1.1 }
            let tokens = charges.reduce(0) { $0 + $1.0.slmInputTokens + $1.0.slmOutputTokens }
            let statement = try await f.admin.statement(tenant: "acme", month: "2026-03")
            #expect(total > 0 && statement.chargebackNanoUSD == total && statement.spendNanoUSD == 0)
            #expect(statement.closingNanoUSD == total)
            for grouping in SpendGrouping.allCases {
                let expected = Dictionary(grouping: charges) { Self.name($0.0, grouping) }
                    .mapValues { $0.reduce(Int64(0)) { $0 + $1.1 } }
                let report = try await f.admin.spend(tenant: "acme", month: "2026-03", by: grouping)
                let rows = report.chargebackRows
                #expect(Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0.nanoUSD) }) == expected, "\(grouping)")
                #expect(report.chargebackNanoUSD == total && report.settledNanoUSD == 0 && report.rows.isEmpty)
                #expect(statement.chargeback[grouping.rawValue] == rows)
                #expect(rows.reduce(0) { $0 + $1.requests } == Int64(charges.count))
                #expect(rows.reduce(0) { $0 + $1.inputTokens + $1.outputTokens } == tokens)
            }
            let focus = try await f.admin.focus(tenant: "acme", month: "2026-03")
            #expect(focus.reduce(0) { $0 + $1.nanoUSD } == total)
            #expect(focus.allSatisfy { $0.isChargeback && $0.provider == "slm" })
            let budgets = try await f.admin.gauges().budgets
            #expect(budgets.map(\.state.settled) == [.zero] && budgets.map(\.state.held) == [.zero])
            #expect(try await f.number("select count(*) from ledger_entries") == 0)
        }
    }

    @Test("a closed month keeps its chargeback; what is recorded later, and paid calls beside it, are told apart")
    func months() async throws {
        try await LedgerFixture.with(limit: nil) { f in
            try await Self.setRates(f)
            let ledger = try await f.ledger()
            let early = Self.request(f, at: try Self.date("2026-04-10T10:00:00Z"), slm: "maths", tokens: (1000, 50))
            await ledger.record(early)
            try await f.run(
                """
                insert into ledger_entries (at, taken_at, tenant_id, key_id, request_id, step, attempt, kind, held,
                  amount, price_id, periods)
                values (now(), '2026-04-11', \(f.tenant.id), \(f.key.info.id), gen_random_uuid(), 0, 0, 'charge', 0,
                  500, \(f.priceID), '{}')
                """)
            _ = try await f.admin.enter(.credit, NanoUSD(20), tenant: "acme", reason: "kind", month: "2026-04")
            // SLM alone in March would have to be closed first.
            let march = Self.request(f, at: try Self.date("2026-03-02T10:00:00Z"), slm: "other", tokens: (3000, 0))
            await ledger.record(march)
            let order = await #expect(throws: LedgerError.self) {
                try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            }
            #expect(order?.description.contains("close 2026-03 first") == true)
            let first = try await f.admin.closeStatement(tenant: "acme", month: "2026-03")
            #expect(first.chargebackNanoUSD == 999 && first.closingNanoUSD == 999)
            let april = try await f.admin.closeStatement(tenant: "acme", month: "2026-04")
            let charge = try Self.charge(early)
            #expect(charge == 7 + 10_000)
            #expect(april.spendNanoUSD == 500 && april.chargebackNanoUSD == charge)
            #expect(april.closingNanoUSD == 999 + 500 + charge - 20)

            // A gateway's journal held it back; and the rate changes, which changes nothing that was charged.
            let late = Self.request(f, at: try Self.date("2026-04-30T23:59:59Z"), slm: "maths", tokens: (1, 1))
            await ledger.record(late)
            _ = try await f.admin.setPrice(
                PriceDraft(
                    model: ModelReference(provider: "slm", model: "maths"), inputUSDPerMtok: "900",
                    outputUSDPerMtok: "900", effectiveAt: try Self.date("2026-04-01T00:00:00Z")))
            #expect(try await f.admin.statement(tenant: "acme", month: "2026-04") == april)
            let may = try await f.admin.closeStatement(tenant: "acme", month: "2026-05")
            #expect(may.corrections.map(\.month) == ["2026-04"])
            #expect(may.corrections.map(\.nanoUSD) == [try Self.charge(late)] && may.chargebackNanoUSD == 0)
            let june = try await f.admin.closeStatement(tenant: "acme", month: "2026-06")
            #expect(june.corrections.isEmpty)
            let owed = try await f.number(
                """
                select (select sum(amount) from ledger_entries) + (select sum(amount) from slm_charges)
                  + (select sum(amount) from statement_entries)
                """)
            #expect(june.closingNanoUSD == owed)
            for change in ["delete from slm_charges", "update slm_charges set amount = 0", "truncate slm_charges"] {
                await #expect(throws: (any Error).self) { try await f.run(change) }
            }
        }
    }

    @Test("without a rate nothing is charged; a rate has input, output and a fee, and nothing else")
    func rates() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            await ledger.record(Self.request(f, at: Date(), slm: "maths", tokens: (10, 10)))
            #expect(try await f.number("select count(*) from requests") == 1)
            #expect(try await f.number("select count(*) from slm_charges") == 0)
            let model = ModelReference(provider: "slm", model: "maths")
            for draft in [
                try PriceDraft(
                    model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "1", tiers: ["1000:input=2,output=3"]),
                try PriceDraft(
                    model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "1", cachedInputUSDPerMtok: "0.5"),
                try PriceDraft(model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "1", batchPercent: 50),
            ] {
                let error = await #expect(throws: LedgerError.self) { try await f.admin.setPrice(draft) }
                #expect(error?.code == .invalid && error?.field == "model")
            }
            // As much as there is room for, rather than a request that cannot be recorded.
            _ = try await f.admin.setPrice(
                PriceDraft(
                    model: model, inputUSDPerMtok: "999999999", outputUSDPerMtok: "0",
                    effectiveAt: Date(timeIntervalSince1970: 0)))
            await ledger.record(Self.request(f, at: Date(), slm: "maths", tokens: (.max / 4, 0)))
            #expect(try await f.number("select max(amount) from slm_charges") == .max)
        }
    }

    @Test("a statement that was closed before there was a chargeback reads as one without")
    func old() throws {
        let statement = try Statement(
            json: """
                {"tenant":"t","month":"2026-02","time_zone":"UTC","from":"2026-02-01T00:00:00Z",
                "until":"2026-03-01T00:00:00Z","opening_nano_usd":1,"spend_nano_usd":3,"unreconciled_nano_usd":0,
                "corrections":[],"entries":[],"closing_nano_usd":4,"breakdown":{}}
                """)
        #expect(statement.chargebackNanoUSD == 0 && statement.chargeback.isEmpty)
        #expect(try Statement(json: statement.jsonText()) == statement)
    }
}
