internal import Crypto
package import Foundation
internal import GatewayCore

/// One file of `migrations/`: `0001_catalog.sql`. Plain SQL, forward only, run in one transaction.
package struct Migration: Hashable, Sendable {
    package let version: Int
    /// The file's name.
    package let name: String
    package let sql: String
    /// Lower-case hex SHA-256 of the file.
    package let checksum: String

    /// The number of the last one, which this program's statements rest on: the files that are at hand may be another
    /// program's.
    package static let newest = 38

    init(version: Int, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
        checksum = SHA256.hash(data: Array(sql.utf8)).hexadecimal
    }

    /// Reads the directory's migrations in order. They count from 1 without gaps, so that no file can slip in
    /// between two that were applied.
    package static func load(directory: String) throws(LedgerError) -> [Migration] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".sql") }
        } catch {
            throw LedgerError(.migration, "cannot read the migrations in \(directory)")
        }
        guard !names.isEmpty else { throw LedgerError(.migration, "there are no migrations in \(directory)") }
        var migrations: [Migration] = []
        for (index, name) in names.sorted().enumerated() {
            guard name.utf8.count > 5, name.dropFirst(4).first == "_", let version = Int(name.prefix(4)) else {
                throw LedgerError(.migration, "\(name) is not named like 0001_what_it_does.sql")
            }
            guard version == index + 1 else {
                throw LedgerError(.migration, "\(name): migration \(index + 1) was expected in its place")
            }
            guard let sql = try? String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8) else {
                throw LedgerError(.migration, "cannot read \(directory)/\(name) as UTF-8")
            }
            migrations.append(Migration(version: version, name: name, sql: sql))
        }
        return migrations
    }
}

/// A migration as the files and the database know it.
package struct MigrationStatus: Hashable, Sendable, Codable {
    /// Where file and database stand.
    package enum State: String, Sendable, Codable {
        case applied
        case pending
        /// The file is not what was applied.
        case changed
        /// Applied, but there is no such file: the database is newer than the files.
        case missing
    }
    package let version: Int
    package let name: String
    package let state: State
    /// When it was applied.
    package let at: Date?
}
