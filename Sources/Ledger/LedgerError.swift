package import Postgres

/// What went wrong in the ledger's administration, its migrations or its journal.
///
/// `message` is for the person who asked: it names the field or the file, and holds no secret.
package struct LedgerError: Error, Sendable {
    /// The kind of failure, for exit codes and HTTP statuses.
    package enum Code: String, Sendable {
        /// What was named does not exist.
        case notFound
        /// It exists already, or something else still refers to it.
        case conflict
        /// A value makes no sense; `field` names it.
        case invalid
        /// The database cannot be reached, or gave no answer in time.
        case unavailable
        /// Migrations: a changed, missing or failing file, or a database newer than the files.
        case migration
        /// The settlement journal cannot be opened or written.
        case journal
        /// The database refused; `underlying` says why.
        case database
    }

    package let code: Code
    /// The field that is wrong, as commands and the admin API spell it.
    package let field: String?
    package let message: String
    package let underlying: PostgresError?
    /// Of several drafts that were given at once, the one that is wrong: 0 is the first. Nil: none, or not known.
    package private(set) var item: Int?

    package init(_ code: Code, field: String? = nil, _ message: String, underlying: PostgresError? = nil) {
        self.code = code
        self.field = field
        self.message = message
        self.underlying = underlying
    }
}

extension LedgerError {
    /// The same error, with its field as somebody else spells it.
    package func naming(_ spelled: (String) -> String) -> LedgerError {
        var error = LedgerError(code, field: field.map(spelled), message, underlying: underlying)
        error.item = item
        return error
    }

    /// The same error, of one of several drafts.
    func ofItem(_ number: Int) -> LedgerError {
        var error = self
        error.item = number
        return error
    }

    /// What fails in `body` is wrong with one of several drafts.
    static func ofItem(_ number: Int, _ body: () throws(LedgerError) -> Void) throws(LedgerError) {
        do { try body() } catch { throw error.ofItem(number) }
    }
}

extension LedgerError: CustomStringConvertible {
    package var description: String {
        // One whose words are the message itself is not said twice.
        let cause = underlying.flatMap { $0.message == message ? nil : " (\($0))" } ?? ""
        return "\(field.map { "\($0): " } ?? "")\(message)\(cause)"
    }

    /// The same, and why the database is not reached. For whoever runs a command on it: the reason names hosts,
    /// databases and logins, which are no business of a gateway's clients. It holds no password.
    package var explanation: String {
        guard let reason else { return description }
        return "\(description): \(reason)"
    }

    /// It met another change, each waiting for the other, and was given up; nothing of it was done.
    package var isDeadlock: Bool { underlying?.sqlState == "40P01" }

    /// Sessions are to act as a role that the server does not have.
    package var isRoleMissing: Bool { underlying?.code == .connection && underlying?.sqlState == "42704" }

    /// Why the database is not reached, in its own words and on one line; nil where that is not what is wrong.
    package var reason: String? {
        guard code == .unavailable, let underlying else { return nil }
        let words = underlying.message.split(whereSeparator: \.isWhitespace)
        return words.isEmpty ? nil : words.joined(separator: " ")
    }
}

extension LedgerError {
    /// A database error, told apart by what it means to the person who asked.
    package init(_ error: PostgresError) {
        switch (error.code, error.sqlState) {
        case (.connection, "42501"?), (.connection, "42704"?):
            self.init(.database, field: "database.url", error.message, underlying: error)
        case (_, "42501"?):
            self.init(
                .database, "the database's role lacks a right: run gboost migrate as the owner", underlying: error)
        case (.connection, _), (.timeout, _), (.poolExhausted, _), (.cancelled, _):
            self.init(.unavailable, "the database cannot be reached", underlying: error)
        case (_, "23505"?):
            self.init(.conflict, "it exists already", underlying: error)
        case (_, "23503"?):
            self.init(.conflict, "what it refers to is missing, or something still refers to it", underlying: error)
        case (_, "23514"?):
            if let known = error.constraint.flatMap(LedgerConstraint.problem) {
                self.init(.invalid, field: known.field, known.message)
            } else {
                self.init(.invalid, Self.field(ofConstraint: error.constraint), "the value is not allowed", error)
            }
        case (_, "22003"?):
            self.init(.database, "a number or a sum is larger than can be counted", underlying: error)
        case (_, "40P01"?):
            self.init(.database, "other changes stood in the way, and nothing was done: try again", underlying: error)
        case (_, "42P01"?), (_, "42883"?):
            self.init(.migration, "the database's schema is missing or old: run gboost migrate", underlying: error)
        default:
            self.init(.database, "the database refused", underlying: error)
        }
    }

    private init(_ code: Code, _ field: String?, _ message: String, _ underlying: PostgresError) {
        self.init(code, field: field, message, underlying: underlying)
    }

    /// "tenants_name_check" names the field "name".
    private static func field(ofConstraint name: String?) -> String? {
        guard let parts = name?.split(separator: "_"), parts.count >= 3, parts.last == "check" else { return nil }
        return parts.dropFirst().dropLast().joined(separator: "_")
    }
}
