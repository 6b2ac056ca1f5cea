import Foundation
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

@Suite("What the doctor says of the database's clock")
struct ClockFindingTests {
    /// Seconds of the database's clock and of the round trip, from one moment on, and what is warned of.
    private static let cases: [(Double, Double, String?)] = [
        (0.05, 0.1, nil), (0.9, 0, nil), (2.4, 2.6, nil),
        (3.25, 0.1, "3.2 s ahead of this machine's (measured to 50.0 ms)"),
        (-3, 0.2, "3.1 s behind this machine's (measured to 100.0 ms)"),
    ]

    @Test(
        "a difference that a second or the round trip explains is none; more is named, with its direction",
        arguments: cases)
    func finding(time: Double, trip: Double, warning: String?) {
        let (wall, steady) = (Date(timeIntervalSince1970: 1_800_000_000), ContinuousClock.now)
        let clock = DatabaseClock(
            asked: .init(steady: steady, wall: wall), time: wall + time,
            answered: .init(steady: steady + .seconds(trip), wall: wall + trip))
        let found = DatabaseChecks.clock(clock)
        #expect(found.check == "clock" && found.state == (warning == nil ? .ok : .warning), "\(found)")
        if let warning {
            #expect(found.message == "the database's is \(warning)")
            #expect(found.remedy?.contains("time servers") == true)
        }
    }

    @Test("a database whose clock is ahead is warned of; what else there is is looked at all the same")
    func database() async throws {
        try await AdministrationTests.Shell.with { shell in
            await shell.run("migrate")
            #expect(await shell.run("doctor").output.contains("ok       clock"))
            let owner = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test"))
            // Sessions that begin from now on have another clock than this machine.
            for statement in [
                """
                create function public.clock_timestamp() returns timestamptz language sql
                  as $$ select pg_catalog.clock_timestamp() + interval '90 s' $$
                """,
                """
                do $$ begin
                  execute format('alter database %I set search_path = public, pg_catalog', current_database());
                end $$
                """,
            ] { _ = try await owner.query(PostgresStatement(trusted: statement)) }
            await owner.close()
            let report = await shell.run("doctor").output
            #expect(report.contains("warning  clock"), "\(report)")
            #expect(report.contains(" s ahead of this machine's") && report.contains("→ let the same time servers"))
            #expect(report.contains("ok       schema"), "\(report)")
        }
    }
}
