/// Statements sent through the `psql` program: enough to make and drop databases without a database library.
struct Psql: Sendable {
    /// How long a server may take to say that it is there: one that hangs would else be waited for without end.
    static let answerTime = Duration.seconds(5)

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
        try await command("SELECT 1", within: Self.answerTime).run().succeeded
    }

    /// Whether others are connected; also where the server does not say.
    func hasCompany() async throws -> Bool {
        let outcome = try await command(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
            within: Self.answerTime
        ).run()
        return !outcome.succeeded || outcome.text != "0\n"
    }

    /// - Parameter limit: how long it may take to be let in; nil: as long as it takes.
    private func command(_ statement: String, within limit: Duration? = nil) -> Command {
        var command = Command(
            binaries.psql, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password",
            "--set=ON_ERROR_STOP=1", "--command", statement, "--dbname", url)
        command.connectSeconds = limit.map { Int($0.components.seconds) } ?? 0
        return command
    }
}
