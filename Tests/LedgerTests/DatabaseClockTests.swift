import Foundation
import GatewayCore
import Postgres
import Testing

@testable import Ledger

@Suite("The database's clock as a gateway knows it")
struct DatabaseClockTests {
    private static let start = moment("2026-12-01T12:00:00Z")
    private static let steady = ContinuousClock.now

    private static func instant(_ seconds: TimeInterval) -> ContinuousClock.Instant { steady + .seconds(seconds) }

    /// A reading; all in seconds from one moment on. `set`: how far the wall's clock was set ahead while it was waited.
    private static func read(
        _ time: TimeInterval, asked: TimeInterval, answered: TimeInterval, set: TimeInterval = 0
    ) -> DatabaseClock {
        DatabaseClock(
            asked: .init(steady: instant(asked), wall: start + asked), time: start + time,
            answered: .init(steady: instant(answered), wall: start + answered + set))
    }

    private static func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-5 }

    @Test(
        "three readings give the difference, in the middle of the round trip, and half of that as its error",
        arguments: [[0.1, 0.0, 0.2, 0.0, 0.1], [-2.9, 0.0, 0.2, -3.0, 0.1], [17.0, 4.0, 10.0, 10.0, 3.0]])
    func offset(_ figures: [Double]) {
        let (time, asked, answered, offset, error) = (figures[0], figures[1], figures[2], figures[3], figures[4])
        let clock = Self.read(time, asked: asked, answered: answered)
        #expect(Self.isNear(clock.offset, offset) && Self.isNear(clock.error, error))
        // It was that or later when the answer came, and that or earlier when it was asked.
        let (later, start) = (Self.instant(answered + 5), Self.start)
        #expect(Self.isNear(clock.earliest(at: later).timeIntervalSince(start), time + 5))
        #expect(Self.isNear(clock.latest(at: later).timeIntervalSince(start), time + 5 + answered - asked))
        // Whoever sets the clock on the wall changes the difference, and nothing of what is known of the database's.
        let set = Self.read(time, asked: asked, answered: answered, set: 60)
        #expect(Self.isNear(set.offset, offset - 30) && set.earliest(at: later) == clock.earliest(at: later))
        #expect(Self.isNear(set.error, error))
    }

    @Test("of two readings the one that tells more is kept, and the later where the clock was set in between")
    func better() {
        let quick = Self.read(0.001, asked: 0, answered: 0.002)
        #expect(quick.better(than: nil) == quick)
        let slow = Self.read(1.5, asked: 1, answered: 5)
        #expect(slow.better(than: quick) == quick)
        let quicker = Self.read(6.0005, asked: 6, answered: 6.001)
        #expect(quicker.better(than: slow) == quicker && quicker.better(than: quick) == quicker)
        for moved in [-3600.0, -1, 1, 3600] {
            let other = Self.read(7.001 + moved, asked: 7, answered: 7.002)
            #expect(other.better(than: quick) == other, "\(moved)")
        }
    }

    @Test("a price is chosen by the database's time, whatever the wall's clock says", arguments: [-3.0, 3.0])
    func version(offset: TimeInterval) {
        let model = LedgerFixture.model
        var snapshot = CatalogSnapshot()
        func price(_ id: Int64, from seconds: TimeInterval) -> CatalogSnapshot.PriceVersion {
            let price = ModelPrice(id: id, model: model, inputPicoPerToken: 1, outputPicoPerToken: 1)
            return CatalogSnapshot.PriceVersion(price: price, effectiveAt: Self.start + seconds)
        }
        snapshot.prices[model] = [price(1, from: -3600), price(2, from: 10)]
        let clock = Self.read(offset + 0.005, asked: 0, answered: 0.01)
        func chosen(_ seconds: TimeInterval) -> Int64? {
            snapshot.price(model, at: clock.earliest(at: Self.instant(seconds)))?.id
        }
        // The change is at ten seconds of the database's clock. Never before, and at most a round trip after.
        #expect(chosen(9.99 - offset) == 1 && chosen(10.02 - offset) == 2)
        #expect(chosen(10) == (offset < 0 ? 1 : 2))
    }

    @Test(
        "a gateway whose clock is wrong by an hour holds calls by the price that the database has in force",
        arguments: [-3600, 3600])
    func catalog(shift: Int) async throws {
        try await LedgerFixture.with { f in
            let next = try await f.admin.setPrice(
                PriceDraft(
                    model: LedgerFixture.model, inputUSDPerMtok: "3", outputUSDPerMtok: "4",
                    effectiveAt: Date() + TimeInterval(shift / 2)))
            // Sessions that begin from now on have another clock than this machine.
            for name in ["now", "clock_timestamp"] {
                try await f.run(
                    """
                    create function public.\(name)() returns timestamptz language sql
                      as $$ select pg_catalog.\(name)() + interval '\(shift) s' $$
                    """)
            }
            try await f.run(
                """
                do $$ begin
                  execute format('alter database %I set search_path = public, pg_catalog', current_database());
                end $$
                """)
            let pool = try LedgerFixture.pool(f.url)
            let hasher = try KeyHasher(pepper: Array("a pepper for tests".utf8))
            let catalog = CatalogStore(pool: pool, hasher: hasher, logger: .quiet)
            try await catalog.refresh()
            let ledger = try await f.ledger(pool: pool)
            let (inForce, other) = shift < 0 ? (f.priceID, next.price.id) : (next.price.id, f.priceID)
            #expect(await catalog.price(LedgerFixture.model)?.id == inForce)
            #expect(await catalog.pricedModels() == [LedgerFixture.model])
            var call = f.reservation(1)
            call.priceID = inForce
            #expect(try await ledger.reserve(call).isGranted)
            // What this machine's clock would have chosen.
            call = f.reservation(1)
            call.priceID = other
            #expect(try await ledger.reserve(call) == .priceUnknown)
            await pool.close(within: .seconds(1))
        }
    }
}
