import Foundation
import GatewayTesting
import Logging
import Postgres
import Testing

@testable import Ledger
@testable import gboost

@Suite("A declaration whose database is lost")
struct ApplyLossTests {
    typealias Shell = AdministrationTests.Shell

    @Test("what became of the file is said with the reason and the remedy: nothing, or what nobody knows")
    func words() {
        func text(isTrial: Bool, isUnknown: Bool) -> String {
            let loss = ApplyLoss(
                file: "s.yaml", trial: "--plan", isTrial: isTrial, isUnknown: isUnknown, remedy: "start it")
            let failure = loss.failure(LedgerError(PostgresError(.connection, "server closed\n\tit.\n")))
            #expect(failure.status == .databaseUnreachable)
            for words in [": server closed it. ", "What to do: start it"] {
                #expect(failure.message.contains(words), "\(failure)")
            }
            return failure.message
        }
        #expect(text(isTrial: false, isUnknown: false).contains("Nothing of s.yaml was applied"))
        let unknown = text(isTrial: false, isUnknown: true)
        #expect(unknown.contains("Whether s.yaml was applied is not known") && unknown.contains("then --plan says"))
        for isUnknown in [false, true] {
            #expect(text(isTrial: true, isUnknown: isUnknown).contains("Nothing was changed"))
        }
    }

    /// Applies files over a wire that breaks.
    private func withWire(_ body: (Shell, FaultyWire) async throws -> Void) async throws {
        try await Shell.with { shell in
            await shell.run("migrate")
            let pool = PostgresPool(
                configuration: try PostgresConfiguration(url: shell.url), size: 1, maxWaiting: 1,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let row = try await pool.query(
                """
                select split_part(current_setting('unix_socket_directories'), ',', 1) || '/.s.PGSQL.'
                  || current_setting('port') as path, current_database()::text as db, session_user::text as login
                """
            ).rows[0]
            await pool.close()
            let wire = try FaultyWire(server: try row.get("path"))
            defer { wire.stop() }
            let (login, database) = (try row.get("login", as: String.self), try row.get("db", as: String.self))
            let file = shell.directory.appending(path: "gboost.yaml")
            let url = "postgresql://\(login)@127.0.0.1:\(wire.port)/\(database)?sslmode=disable"
            let yaml = try String(contentsOf: file, encoding: .utf8)
            try Data(yaml.replacing(shell.url, with: url).utf8).write(to: file)
            try await body(shell, wire)
        }
    }

    @Test("wherever the wire breaks before the end, the reason is said, and nothing was applied")
    func breaks() async throws {
        try await withWire { shell, wire in
            let file = shell.directory.appending(path: "state.yaml").path()
            let tenants = (1...9).map { "  - { name: t\($0), teams: [a, b] }\n" }.joined()
            try Data("tenants:\n\(tenants)".utf8).write(to: URL(filePath: file))
            var broken = 0
            for number in stride(from: 40, through: 4_000, by: 60) {
                wire.arm(.toServer, at: number)
                let outcome = await shell.run("apply \(file)")
                guard outcome.status != .done else { break }
                broken += 1
                #expect(outcome.status == .databaseUnreachable && outcome.output.isEmpty, "\(outcome)")
                // libpq's own words stand behind the kind of failure.
                for words in ["reached (PostgreSQL: connection", "): ", "What to do: start PostgreSQL"] {
                    #expect(outcome.errors.contains(words), "\(outcome.errors)")
                }
                wire.restore()
                // At the very commit nobody knows.
                guard !outcome.errors.contains("Whether \(file) was applied is not known") else { continue }
                #expect(outcome.errors.contains("Nothing of \(file) was applied"), "\(outcome.errors)")
                #expect(await shell.run("tenant list --json").output == "{\"tenants\":[]}\n")
            }
            #expect(broken > 1)
            wire.restore()
            #expect(await shell.run("apply \(file)").output == "nothing to change\n")
        }
    }
}
