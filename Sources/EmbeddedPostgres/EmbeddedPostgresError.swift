/// What went wrong with an embedded cluster, in one sentence a person can act on.
package struct EmbeddedPostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure, for code that reacts to it.
    package enum Code: String, Sendable {
        /// No PostgreSQL server of a usable version is installed.
        case binariesMissing
        /// The data directory cannot be made, reached or owned as it must be.
        case directoryUnusable
        /// `initdb` failed; nothing of it was left behind.
        case initializationFailed
        /// The server did not start, or not in time.
        case startFailed
        /// The server did not stop in time.
        case stopFailed
        /// Another process held the cluster's lock for too long.
        case locked
        /// Another gateway works with the cluster.
        case occupied
        /// A statement sent through `psql` failed.
        case statementFailed
    }

    /// The kind of failure.
    package let code: Code
    /// One sentence for the person at the terminal.
    package let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message alone: there is nothing secret in it.
    package var description: String { message }
}
