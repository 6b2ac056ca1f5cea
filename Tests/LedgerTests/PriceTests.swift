import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("The price book")
struct PriceTests {
    private static let model = LedgerFixture.model

    private func full(_ model: ModelReference = Self.model, effectiveAt: Date? = nil) throws -> PriceDraft {
        try PriceDraft(
            model: model, inputUSDPerMtok: "1.25", outputUSDPerMtok: "10", cachedInputUSDPerMtok: "0.125",
            cacheWrite5mUSDPerMtok: "1.5", cacheWrite1hUSDPerMtok: "2", reasoningUSDPerMtok: "11",
            perCallUSD: "0.000000001", perImageUSD: "0.04", batchPercent: 50,
            tiers: [
                "200000:input=2.5,output=15,cached-input=0.25,cache-write-5m=3,cache-write-1h=4,reasoning=16",
                "128000:output=9,input=0",
            ], effectiveAt: effectiveAt)
    }

    private func settlement(_ call: Reservation, _ price: ModelPrice, _ usage: TokenUsage) throws -> Settlement {
        Settlement(
            id: call.id, outcome: .completed, amount: try #require(price.charge(usage)), usage: usage,
            providerRequestID: nil, escalation: EscalationRecord(kind: .direct, reason: "asked for"))
    }

    private func catalog(
        _ f: LedgerFixture, now: @escaping @Sendable () -> Date = { Date() }
    ) async throws
        -> CatalogStore
    {
        let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
        let store = CatalogStore(pool: f.pool, hasher: hasher, logger: .quiet, now: now)
        try await store.refresh()
        return store
    }

    private func text(_ f: LedgerFixture, _ sql: String) async throws -> String? {
        try await f.pool.query(PostgresStatement(trusted: "select (\(sql))::text as t")).rows.first?.getOptional("t")
    }

    // MARK: - Administration

    @Test("every part of a price comes back, in listing and snapshot alike")
    func roundTrip() async throws {
        try await LedgerFixture.with { f in
            let draft = try full()
            let info = try await f.admin.setPrice(draft)
            var stored = draft.price
            stored.id = info.price.id
            #expect(info.price == stored && info.isInForce && info.source == nil)
            #expect(stored.tiers.map(\.aboveInputTokens) == [128_000, 200_000])
            #expect(stored.tiers[0].rates == TokenRates(input: 0, output: 9_000_000))
            #expect(stored.tiers[1].rates.cacheWrite1h == 4_000_000 && stored.rates.cacheWrite5m == 1_500_000)
            let listed = try await f.admin.prices(model: Self.model)
            #expect(listed.map(\.price.id) == [info.price.id, f.priceID] && listed.first == info)
            #expect(listed.map(\.isInForce) == [true, false])
            #expect(await (try catalog(f)).price(Self.model) == stored)
        }
    }

    @Test("a wrong part of a price names its option")
    func fields() throws {
        func field(
            _ tiers: [String] = [], image: String? = nil, write: String? = nil, batch: Int = 100
        ) -> String? {
            let error = #expect(throws: LedgerError.self) {
                try PriceDraft(
                    model: Self.model, inputUSDPerMtok: "1", outputUSDPerMtok: "1", cacheWrite1hUSDPerMtok: write,
                    perImageUSD: image, batchPercent: batch, tiers: tiers)
            }
            return error?.field
        }
        #expect(field(image: "-1") == "per-image-usd")
        #expect(field(write: "1.0000001") == "cache-write-1h-usd-per-mtok")
        #expect(field(batch: 101) == "batch-percent" && field(batch: -1) == "batch-percent")
        for text in [
            "", "200000", "0:input=1,output=1", "-1:input=1,output=1", "1:input=1", "1:input=1,output=1,", "x:input=1",
            "1:input=1,output=1,speed=2", "1:input=1,input=1,output=1",
        ] { #expect(field([text]) == "tier", "\(text)") }
        #expect(field(["1:input=x,output=1"]) == "tier 1 input")
        #expect(field(["1:input=1,output=1", "1:input=2,output=1"]) == "tier")
        #expect(field((1...17).map { "\($0):input=1,output=1" }) == "tier")
    }

    @Test("a price is of one model: a pattern is refused or, imported, skipped, but for the rate of all local models")
    func patterns() async throws {
        try await LedgerFixture.with { f in
            for (provider, name) in [("sim", "*"), ("sim", "gen*"), ("*", "general"), ("slm", "a*")] {
                let model = ModelReference(provider: provider, model: name)
                let draft = try PriceDraft(model: model, inputUSDPerMtok: "1", outputUSDPerMtok: "1")
                let set = await #expect(throws: LedgerError.self) { try await f.admin.setPrice(draft) }
                #expect(set?.code == .invalid && set?.field == "model")
                let imported = try await f.admin.importPrices([draft.price], source: "x")
                #expect(imported.imported.isEmpty && imported.skipped.map(\.model) == [model])
                #expect(imported.skipped.first?.reason == set?.message)
            }
            let local = try PriceDraft(
                model: ModelReference(provider: "slm", model: "*"), inputUSDPerMtok: "1", outputUSDPerMtok: "1")
            #expect(try await f.admin.setPrice(local).price.model == local.price.model)
            #expect(try await f.admin.prices().count == 2)
        }
    }

    @Test("a tier cannot be added to a price that is there, changed or removed")
    func tiersAreFixed() async throws {
        try await LedgerFixture.with { f in
            let id = try await f.admin.setPrice(try full()).price.id
            for sql in [
                "insert into price_tiers (price_id, above_input_tokens, input_pico, output_pico) select \(id), 5, 1, 1",
                "update price_tiers set input_pico = 1", "delete from price_tiers", "truncate price_tiers",
            ] {
                let error = await #expect(throws: PostgresError.self) { try await f.run(sql) }
                #expect(error?.sqlState == "GB001", "\(sql)")
            }
        }
    }

    // MARK: - History (row 21), unknown prices (row 6)

    @Test(
        "row 21: a new price changes no entry: version and usage stay, and an open hold is charged by its own version")
    func history() async throws {
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let ledger = try await f.ledger()
            let old = try #require(try await f.admin.prices(model: Self.model).first).price
            let usage = TokenUsage(
                input: 10, cachedInput: 4, cacheWrite5m: 3, cacheWrite1h: 2, output: 5, reasoning: 1, images: 6,
                isBatch: true, raw: #"{"prompt_tokens": 10, "completion_tokens": 5, "exact": 1.50}"#)
            let (done, open, late) = (f.reservation(100_000), f.reservation(100_000), f.reservation(100_000))
            for call in [done, open, late] { #expect(try await ledger.reserve(call).isGranted) }
            await ledger.settle(try settlement(done, old, usage))
            let new = try await f.admin.setPrice(try full()).price
            #expect(new.charge(usage) != old.charge(usage))
            await ledger.settle(try settlement(open, old, usage))
            // Not in the lane that took it, as after a restart.
            let other = try await f.ledger()
            await other.settle(try settlement(late, old, usage))
            let same = """
                select count(*) from ledger_entries where price_id = \(old.id) and amount = 20000 and input_tokens = 10
                  and cached_input_tokens = 4 and cache_write_5m_tokens = 3 and cache_write_1h_tokens = 2
                  and output_tokens = 5 and reasoning_tokens = 1 and images = 6 and is_batch
                  and usage->>'exact' = '1.50' and usage->>'prompt_tokens' = '10'
                """
            #expect(try await f.number(same) == 3)
            #expect(try await f.number("select count(*) from escalations where price_id = \(old.id)") == 3)
            var call = f.reservation(100_000)
            call.priceID = new.id
            #expect(try await ledger.reserve(call).isGranted)
            await ledger.settle(try settlement(call, new, TokenUsage(input: 1, output: 1)))
            let plain = """
                select count(*) from ledger_entries where price_id = \(new.id) and cache_write_5m_tokens is null
                  and images is null and is_batch is null and usage is null
                """
            #expect(try await f.number(plain) == 1)
            #expect(try await f.number(same) == 3)
            #expect(try await f.violations() == 0)
        }
    }

    @Test("row 6: a model whose only price is to come has none: not in the snapshot, and no hold is taken by it")
    func onlyFuture() async throws {
        try await LedgerFixture.with { f in
            let clock = SettableClock(Date())
            let model = ModelReference(provider: "sim", model: "next")
            let info = try await f.admin.setPrice(try full(model, effectiveAt: Date() + 3600))
            let catalog = try await catalog(f, now: { clock.now })
            #expect(await catalog.price(model) == nil)
            #expect(await catalog.pricedModels() == [Self.model])
            let ledger = try await f.ledger()
            var call = f.reservation(1)
            call.model = model
            call.priceID = info.price.id
            #expect(try await ledger.reserve(call) == .priceUnknown)
            clock.now = Date() + 3601
            #expect(await catalog.price(model)?.id == info.price.id)
        }
    }

    @Test("no settlement fails for what a provider says besides its counts, alone or next to others")
    func hostileUsage() async throws {
        let texts = [
            #"{"a":"\u0000"}"#, #"{"a":"\ud800"}"#, #"{"a":1e999999}"#, "{\"a\":\"\0\"}", "{", "", "[]", "3", "{}x",
            #"{"a":01}"#, #"{"a":1.}"#, #"{"a":-}"#, #"{"a" 1}"#, #"{"a":1,}"#, #"{,}"#, #"{"a":nul}"#, #"{"a":"\x"}"#,
            #"{"a":"b}"#, "{\"a\":\"\n\"}", #"{"a":tru"#, String(repeating: #"{"a":"#, count: 40) + "1",
            String(repeating: #"{"a":"#, count: 40) + "1" + String(repeating: "}", count: 40),
        ]
        let plain = [
            "{}", #" { "a" : [ ] , "b":{"c":[1,-2.5,0,true,false,null,"\"\\\/\b\f\n\r\té"]} } "#,
            #"{"a":1,"a":2}"#, #"{"n":123456789012345678901234567890.5}"#,
        ]
        try await LedgerFixture.with(limit: 1_000_000) { f in
            let ledger = try await f.ledger()
            await withTaskGroup(of: Void.self) { group in
                for text in texts + plain {
                    group.addTask {
                        let call = f.reservation(10)
                        guard (try? await ledger.reserve(call))?.isGranted == true else { return }
                        var settlement = Settlement.of(call.id, 7)
                        settlement.usage = TokenUsage(input: 3, output: 2, raw: text)
                        await ledger.settle(settlement)
                    }
                }
            }
            #expect(ledger.journalDepth.records == 0)
            let kept = "select count(*) from ledger_entries where amount = 7 and jsonb_typeof(usage) ="
            #expect(try await f.number(kept + " 'string'") == Int64(texts.count))
            #expect(try await f.number(kept + " 'object'") == Int64(plain.count))
            #expect(try await text(f, #"select count(*) from ledger_entries where usage #>> '{}' = '{"a":01}'"#) == "1")
            #expect(try await f.violations() == 0)
        }
    }

    // MARK: - Import

    @Test("an import adds only what differs from the price in force, once, and writes an event for each")
    func imports() async throws {
        try await LedgerFixture.with { f in
            func named(_ name: String) -> ModelReference { ModelReference(provider: "sim", model: name) }
            let known = try #require(try await f.admin.prices().first).price
            let tiered = try full(named("tiered")).price
            let rates = TokenRates(input: 1, output: 2)
            let plain = ModelPrice(model: named("plain"), rates: rates)
            var same = known
            same.id = 0
            same.rates.cachedInput = same.rates.input  // as it is anyway
            let wanted = [same, tiered, plain]
            let dry = try await f.admin.importPrices(wanted, source: "prices.json", isDryRun: true)
            #expect(dry.imported == [tiered, plain] && dry.unchanged == [Self.model])
            #expect(try await f.admin.prices().count == 1)
            let first = try await f.admin.importPrices(wanted, source: "prices.json")
            #expect(Set(first.imported.map(\.model)) == [tiered.model, plain.model])
            #expect(first.unchanged == [Self.model] && first.conflicting.isEmpty)
            let listed = try await f.admin.prices(model: tiered.model)
            #expect(listed.map(\.source) == ["prices.json"] && listed.first?.isInForce == true)
            #expect(listed.first?.price.tiers == tiered.tiers)
            let events = try await f.admin.events().filter { $0.action == "price.import" }
            #expect(Set(events.map(\.subject)) == ["sim/tiered", "sim/plain"])
            #expect(try await f.admin.importPrices(wanted, source: "prices.json").imported.isEmpty)
            var dearer = plain
            dearer.rates.output = 3
            #expect(try await f.admin.importPrices([dearer], source: "prices.json").imported.count == 1)
            #expect(try await f.admin.prices(model: plain.model).map(\.price.rates.output) == [3, 2])
            #expect(await (try catalog(f)).price(plain.model)?.rates.output == 3)
        }
    }

    @Test("an import for a moment compares with what is in force then, and replaces no version")
    func importForLater() async throws {
        try await LedgerFixture.with { f in
            let later = Date(timeIntervalSince1970: 4_000_000_000)
            let (now, then) = (TokenRates(input: 1_000_000, output: 2_000_000), TokenRates(input: 5, output: 5))
            _ = try await f.admin.importPrices(
                [ModelPrice(model: Self.model, rates: then)], effectiveAt: later, source: "a")
            let again = try await f.admin.importPrices(
                [ModelPrice(model: Self.model, rates: then)], effectiveAt: later, source: "b")
            #expect(again.unchanged == [Self.model])
            let other = try await f.admin.importPrices(
                [ModelPrice(model: Self.model, rates: TokenRates(input: 6, output: 6))], effectiveAt: later, source: "c"
            )
            #expect(other.conflicting == [Self.model] && other.imported.isEmpty)
            let unchanged = try await f.admin.importPrices([ModelPrice(model: Self.model, rates: now)], source: "d")
            #expect(unchanged.unchanged == [Self.model])
            #expect(try await f.admin.prices().map(\.source) == ["a", nil])
        }
    }

    @Test("what can be no price is skipped with its reason, and costs an import none of the others")
    func importSkips() async throws {
        try await LedgerFixture.with { f in
            func price(_ provider: String, _ name: String, _ rates: TokenRates) -> ModelPrice {
                ModelPrice(model: ModelReference(provider: provider, model: name), rates: rates)
            }
            let rates = TokenRates(input: 1, output: 1)
            let wanted = [
                price("sim", "gen*", rates), price("sim", "a", rates), price("sim", "b\u{85}c", rates),
                price("slm", "own", TokenRates(input: 1, output: 1, reasoning: 2)), price("sim", "z", rates),
            ]
            for isDryRun in [true, false] {
                let result = try await f.admin.importPrices(wanted, source: "x", isDryRun: isDryRun)
                #expect(result.imported.map(\.model.model) == ["a", "z"])
                #expect(result.skipped.map(\.model) == [wanted[0].model, wanted[2].model, wanted[3].model])
                let reasons = ["sim/gen* is no model", "has control characters", "slm/own is a local model's rate"]
                for (skipped, reason) in zip(result.skipped, reasons) {
                    #expect(skipped.reason.hasPrefix(reason), "\(skipped)")
                }
            }
            #expect(try await f.admin.prices().count == 3)
        }
    }

    @Test("an import that the database refuses leaves none of its prices")
    func importFails() async throws {
        try await LedgerFixture.with { (f) async throws in
            let good = ModelPrice(
                model: ModelReference(provider: "sim", model: "a"), rates: TokenRates(input: 1, output: 1))
            let bad = ModelPrice(
                model: ModelReference(provider: "sim", model: "b"), rates: TokenRates(input: 1, output: 1),
                tiers: [PriceTier(aboveInputTokens: 9, rates: TokenRates(input: -1, output: 1))])
            await #expect(throws: LedgerError.self) { try await f.admin.importPrices([good, bad], source: "x") }
            await #expect(throws: LedgerError.self) { try await f.admin.importPrices([good, good], source: "x") }
            #expect(try await f.admin.prices().map(\.price.id) == [f.priceID])
        }
    }
}
