/// Statements sent through the `psql` program: enough to make and drop databases without a database library.
struct Psql: Sendable {
    var binaries: ServerBinaries
    var url: String

    /// Runs one statement; its output without headers.
    @discardableResult
    func run(_ statement: String) async throws -> String {
        let outcome = try await command(statement).run()
        guard outcome.succeeded else {
            throw EmbeddedPostgresError(.statementFailed, "psql failed: \(outcome.text)")
        }
        return outcome.text
    }

    /// Whether the server takes a connection and answers.
    func answers() async throws -> Bool {
        try await command("SELECT 1").run().succeeded
    }

    /// Whether others are connected; also where the server does not say.
    func hasCompany() async throws -> Bool {
        let outcome = try await command(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
        ).run()
        return !outcome.succeeded || outcome.text != "0\n"
    }

    private func command(_ statement: String) -> Command {
        Command(
            binaries.psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password",
            "--set=ON_ERROR_STOP=1", "--command", statement, "--dbname", url)
    }
}
