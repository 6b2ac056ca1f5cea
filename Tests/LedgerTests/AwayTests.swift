import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger

@Suite("While the database is away")
struct AwayTests {
    @Test("that the audit is not sealed is one line in ten seconds, which says for how many rounds it stands")
    func sealing() throws {
        let log = KeptLog()
        let configuration = try PostgresConfiguration(url: "postgresql://nobody@127.0.0.1:1/none")
        let pool = PostgresPool(configuration: configuration, size: 1, maxWaiting: 1, logger: log.logger)
        let sealer = AuditSealer(
            store: AuditStore(pool: pool), settings: SealerSettings(), publishers: [], logger: log.logger)
        let start = ContinuousClock.now
        for second in 0..<25 {
            sealer.failed(LedgerError(.unavailable, "away in this test"), at: start + .seconds(second))
        }
        let lines = log.lines(.warning).filter { $0.message == "the audit is not sealed" }
        #expect(lines.map { $0.metadata["rounds"] } == ["1", "10", "10"], "\(lines)")
        #expect(lines.allSatisfy { $0.metadata["reason"]?.contains("away in this test") == true }, "\(lines)")
        #expect(sealer.statistics.failures == 25)
    }

    @Test("nobody is taken for dead until the database has heard this gateway for a while, without a gap")
    func steady() {
        let (start, ttl) = (ContinuousClock.now, Duration.seconds(60))
        var reachability = Reachability()
        func isSteady(_ seconds: Int) -> Bool { reachability.isSteady(for: ttl, at: start + .seconds(seconds)) }
        #expect(!isSteady(0))
        for second in stride(from: 0, through: 65, by: 5) {
            reachability.heard(at: start + .seconds(second), within: ttl)
        }
        #expect(isSteady(65) && isSteady(70))
        reachability.missed()
        #expect(!isSteady(70))
        for second in stride(from: 75, through: 135, by: 5) {
            #expect(!isSteady(second))
            reachability.heard(at: start + .seconds(second), within: ttl)
        }
        reachability.heard(at: start + .seconds(140), within: ttl)
        #expect(isSteady(140))
        // All machines were stopped for ten minutes: first before, and then after the first heartbeat.
        #expect(!isSteady(740))
        for second in stride(from: 740, through: 800, by: 5) {
            reachability.heard(at: start + .seconds(second), within: ttl)
            #expect(!isSteady(second))
        }
        reachability.heard(at: start + .seconds(805), within: ttl)
        #expect(isSteady(805))
    }
}
