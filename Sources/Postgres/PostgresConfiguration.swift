internal import CLibPQ
internal import Glibc

/// Where PostgreSQL is and how long to wait for it.
///
/// Read from a libpq URL (`postgresql://user:password@host:5432/db?sslmode=verify-full`) or conninfo text. The
/// password is never part of a description, a dump or an error.
package struct PostgresConfiguration: Sendable {
    /// The longest a connection attempt may take, name resolution and TLS included. The hosts of a URL share it; one
    /// of many gets a second of its own at least.
    package var connectTimeout: Duration
    /// The longest a statement may run. The server ends it then; should the server not answer either, the caller is
    /// told `timeout` a grace period later, and the connection is dropped.
    package var statementTimeout: Duration
    /// Shown in `pg_stat_activity`.
    package var applicationName: String
    /// The most statements that may be under way on one connection.
    package var maxPipelined: Int
    /// The most prepared statements kept per connection; 0 turns them off (for a pooler in between).
    package var maxPreparedStatements: Int
    /// How long an open transaction may sit idle before the server ends its connection.
    package var idleInTransactionTimeout: Duration
    /// How long a caller may wait for a connection of the pool.
    package var acquireTimeout: Duration
    /// The longest pause between two attempts to reach a server that is away.
    package var maxBackoff: Duration
    /// The role that every session acts as; nil: the one it logs in as, which must else be a member of this one.
    package var role: String?
    /// Says the URL again for each connection that is opened, so that a password can be changed while a pool runs. Of
    /// what it says only user and password count: a pool stays with its server and database. nil, or where it says
    /// nothing that can be read: they stay what they were.
    package var renewedURL: (@Sendable () -> String?)?

    /// Keywords and values as libpq read them. Private: the password is among them.
    private var settings: [String: String]

    /// Reads a connection URL or conninfo text.
    ///
    /// The parser's own message is not passed on, since it quotes pieces of the text, possibly of the password.
    package init(url: String) throws(PostgresError) {
        guard !url.utf8.contains(0), let options = PQconninfoParse(url, nil) else {
            throw PostgresError(.invalidConfiguration, "the database URL cannot be read")
        }
        defer { PQconninfoFree(options) }
        var settings: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { settings[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        self.settings = settings
        connectTimeout = settings["connect_timeout"].flatMap { Int($0) }.map { .seconds($0) } ?? .seconds(5)
        if connectTimeout <= .zero { connectTimeout = .seconds(5) }
        statementTimeout = .seconds(10)
        applicationName = settings["application_name"] ?? "gboost"
        maxPipelined = 256
        maxPreparedStatements = 128
        idleInTransactionTimeout = .seconds(30)
        acquireTimeout = .seconds(10)
        maxBackoff = .seconds(2)
    }

    /// What the next connection is opened with. It may read a file, and is called on the pool's own thread.
    func renewed() -> PostgresConfiguration {
        guard let url = renewedURL?(), let said = try? PostgresConfiguration(url: url) else { return self }
        var renewed = self
        for keyword in ["user", "password"] { renewed.settings[keyword] = said.settings[keyword] }
        return renewed
    }

    /// How much longer than the statement timeout the client waits, so that the server's own answer comes first.
    var timeoutGrace: Duration { min(.seconds(1), max(.milliseconds(100), statementTimeout / 4)) }

    /// Throws when a limit makes no sense.
    func validate() throws(PostgresError) {
        guard connectTimeout > .zero, statementTimeout > .zero, acquireTimeout > .zero, maxBackoff > .zero,
            idleInTransactionTimeout > .zero, maxPipelined > 0, maxPreparedStatements >= 0
        else { throw PostgresError(.invalidConfiguration, "a timeout or limit of the database is not positive") }
        if let role, role.isEmpty || !role.utf8.allSatisfy(Self.isPlain) {
            throw PostgresError(.invalidConfiguration, "a database role is a name of letters, digits and underscores")
        }
    }

    /// Where a server may be. The address is "" for a socket, and for a name that is still to be resolved.
    typealias Endpoint = (host: String, address: String, port: String, needsResolution: Bool)

    /// The hosts to try, in order. A Unix socket's directory and a numeric address need no resolution.
    var endpoints: [Endpoint] {
        guard settings["hostaddr"] == nil, let hosts = list("host", "PGHOST") else { return [] }
        let ports = list("port", "PGPORT") ?? [""]
        return hosts.enumerated().map { index, host in
            let port = ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""
            let isName = !host.isEmpty && !host.hasPrefix("/") && !host.hasPrefix("@")
            let isAddress = NameResolver.isNumeric(host)
            return (host, isAddress ? host : "", port, isName && !isAddress)
        }
    }

    /// The servers of a URL that names several, to be tried one at a time: libpq goes on to the next when one fails,
    /// and a silent one never does.
    ///
    /// Empty where there is one only, where libpq must know all of them to choose, and where it has to complain.
    var alternatives: [Endpoint] {
        let attributes = settings["target_session_attrs"] ?? Self.environment("PGTARGETSESSIONATTRS")
        let balance = settings["load_balance_hosts"] ?? Self.environment("PGLOADBALANCEHOSTS")
        guard attributes != "prefer-standby", balance != "random" else { return [] }
        let ports = list("port", "PGPORT") ?? [""]
        var all = endpoints
        if let addresses = list("hostaddr", "PGHOSTADDR") {
            let hosts = list("host", "PGHOST") ?? addresses.map { _ in "" }
            guard hosts.count == addresses.count, !addresses.contains("") else { return [] }
            all = addresses.indices.map { index in
                (hosts[index], addresses[index], index < ports.count ? ports[index] : ports[0], false)
            }
        }
        return all.count > 1 && (ports.count == 1 || ports.count == all.count) ? all : []
    }

    /// A name, TLS and a password are a handful of round trips, perhaps to a server that is busy taking over.
    private static let leastShare = Duration.seconds(1)

    /// What the next of several servers gets of the connect timeout: those that failed at once leave theirs to it.
    /// - Parameter rest: what is left of the timeout, for so many `servers`.
    func share(of rest: Duration, among servers: Int) -> Duration {
        max(rest / max(1, servers), min(connectTimeout, Self.leastShare))
    }

    /// The parts of a setting that has one for each host.
    private func list(_ keyword: String, _ variable: String) -> [String]? {
        guard let text = settings[keyword] ?? Self.environment(variable) else { return nil }
        return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// It stands unquoted in the start-up options.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// Whether the server's refusal names the role to act as, in whatever language it speaks: it is quoted in all.
    private func isRoleRefused(_ message: String) -> Bool {
        guard let role, settings["user"] != role, settings["dbname"] != role else { return false }
        return message.contains("\"\(role)\"")
    }

    /// What to do about the role to act as, where the server's refusal names it.
    ///
    /// libpq has no SQLSTATE for a connection that was refused. A role that is not there and one that may not be taken
    /// are told apart by their words, which are English or not known: then both are named.
    func roleRefusal(_ message: String) -> PostgresError? {
        guard let role, isRoleRefused(message) else { return nil }
        let grant = "\"grant \(role) to\" the login role"
        if message.contains("does not exist") {
            return PostgresError(
                .connection,
                "the login role may not act as \(role), which is not there: run \"gboost migrate\" as the owner, which "
                    + "makes it, then \(grant)", sqlState: PostgresState.undefinedObject)
        }
        let isThere = message.contains("permission denied")
        let making = isThere ? "" : "\"gboost migrate\" as the owner, which makes it, then "
        return PostgresError(
            .connection, "the login role may not act as \(role): run \(making)\(grant)",
            sqlState: PostgresState.insufficientPrivilege)
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// `message` without the password, should libpq ever quote it.
    func scrub(_ message: String) -> String {
        guard let password = settings["password"], !password.isEmpty, message.contains(password) else { return message }
        return message.split(separator: password, omittingEmptySubsequences: false).joined(separator: "…")
    }

    /// What libpq is given: everything from the URL, and what this module rests on.
    /// - Parameter addresses: host, numeric address ("" for a socket) and port of each candidate.
    func keywords(addresses: [(host: String, address: String, port: String)]) -> [(String, String)] {
        var all = settings
        all.removeValue(forKey: "connect_timeout")
        all["application_name"] = applicationName
        all["client_encoding"] = "UTF8"
        all["gssencmode"] = settings["gssencmode"] ?? "disable"
        all["keepalives_idle"] = settings["keepalives_idle"] ?? "30"
        all["keepalives_interval"] = settings["keepalives_interval"] ?? "10"
        all["keepalives_count"] = settings["keepalives_count"] ?? "3"
        if !addresses.isEmpty {
            all["host"] = addresses.map(\.host).joined(separator: ",")
            all["hostaddr"] = addresses.map(\.address).joined(separator: ",")
            all["port"] = addresses.map(\.port).joined(separator: ",")
        }
        // As start-up options rather than statements: no round trip, and RESET returns to them.
        var session = [
            "DateStyle=ISO", "TimeZone=UTC", "IntervalStyle=iso_8601", "bytea_output=hex", "extra_float_digits=1",
            "standard_conforming_strings=on", "client_min_messages=warning",
            // Compiling costs a new connection's first statements hundreds of milliseconds, seconds on a busy machine:
            // the planner settings that pin an order of locks look to it like a cost of ten billion.
            "jit=off",
            "statement_timeout=\(statementTimeout.wholeMilliseconds)",
            "idle_in_transaction_session_timeout=\(idleInTransactionTimeout.wholeMilliseconds)",
        ]
        if let role { session.append("role=\(role)") }
        let own = session.map { "-c \($0)" }.joined(separator: " ")
        all["options"] = settings["options"].map { "\($0) \(own)" } ?? own
        return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

extension PostgresConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Host, port, database and user; never the password.
    package var description: String {
        let shown = ["host", "hostaddr", "port", "dbname", "user", "sslmode"]
        return shown.compactMap { key in settings[key].map { "\(key)=\($0)" } }.joined(separator: " ")
    }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension Duration {
    /// Rounded up, at least 1: PostgreSQL takes 0 for "no limit".
    var wholeMilliseconds: Int64 {
        max(1, components.seconds * 1000 + (components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
