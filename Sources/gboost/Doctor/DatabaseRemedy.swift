internal import Ledger
internal import Postgres

/// What to do about a database that refuses, or does not answer.
///
/// libpq has no code for why a connection was refused, so its words decide. Where the server speaks another language
/// than English, its own words stand beside the remedy for one that is away.
enum DatabaseRemedy {
    private typealias Case = (words: [String], remedy: String)

    private static let away = "start PostgreSQL, or mend database.url; the gateway answers from SLMs alone meanwhile"
    private static let silent =
        "see whether PostgreSQL hangs, or something drops what is sent to it; else mend the host in database.url"
    private static let cases: [Case] = [
        (
            ["too many clients", "connection slots are reserved", "too many connections for "],
            "raise max_connections in PostgreSQL (or the role's or the database's limit), or lower the pools: "
                + "database.pool of every gateway"
        ),
        (
            ["Name or service not known", "name resolution", "No address associated", "host name has no address"],
            "mend the host in database.url, or the name server"
        ),
        (
            ["authentication failed", "no password supplied", "no pg_hba.conf entry"],
            "mend the user or the password in database.url, or let it in: pg_hba.conf"
        ),
        (
            ["does not support SSL", "SSL error", "certificate"],
            "mend sslmode or the certificates in database.url, or turn TLS on in PostgreSQL"
        ),
        (["connect timeout"], silent),
    ]
    private static let missing: [Case] = [
        (["database \""], "create the database, as with createdb, or mend its name in database.url"),
        (["role \""], "create the role, as with: create role NAME login; or mend the user in database.url"),
    ]

    /// What fits the reason why a database with a URL is not reached.
    static func fitting(_ reason: String) -> String {
        let isMissing = reason.contains("\" does not exist")
        let found = (cases + (isMissing ? missing : [])).first { $0.words.contains { reason.contains($0) } }
        return found?.remedy ?? away
    }

    /// What fits what a session in a database with a URL ended with.
    static func fitting(_ error: any Error) -> String {
        if let error = error as? ConfigurationError {
            return error.field == "database.url"
                ? "mend database.url, or the variable or file that it names" : "mend \(error.field)"
        }
        guard let error = error as? LedgerError else { return away }
        guard error.code == .unavailable else { return fitting(schema: error) }
        switch error.underlying?.code {
        case .timeout, .poolExhausted: return silent
        default: return error.reason.map { fitting($0) } ?? away
        }
    }

    /// The role that sessions act as is made by the migrations; the login is granted it by hand.
    private static func fitting(schema error: LedgerError) -> String {
        let migrate = "run, as the schema's owner: gboost migrate"
        guard error.code == .database, error.field == "database.url" else { return migrate }
        let grant = "grant \(DatabaseRole.app) to the login role of database.url"
        return error.isRoleMissing ? "\(migrate); then \(grant)" : "\(grant), as the schema's owner or a superuser"
    }
}

extension DatabaseChecks {
    func remedy(for error: any Error) -> String {
        guard case .embedded(let path) = configuration.database.location else { return DatabaseRemedy.fitting(error) }
        if let error = error as? LedgerError, error.code != .unavailable { return "run: gboost migrate" }
        return "look at PostgreSQL's log in \(path)"
    }
}
