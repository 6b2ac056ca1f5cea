internal import Foundation
internal import Ledger
internal import Postgres

extension AdminOptions {
    /// Runs `body` with the database's administration. Only commands that make keys need the pepper: the others must
    /// not make one by passing, nor fail for want of it.
    func administer<R: Sendable>(
        needsPepper: Bool = false, _ body: (AdminStore) async throws -> R
    ) async throws -> R {
        let configuration = try configuration.load()
        return try await DatabaseSession.run(configuration) { pool in
            let hasher =
                if needsPepper {
                    try await KeyPepper.read(configuration.secrets, for: pool, isServing: false).hasher
                } else { try KeyHasher(pepper: Self.unusedPepper()) }
            return try await body(AdminStore(pool: pool, hasher: hasher, actor: Self.actor, origin: Self.origin))
        }
    }

    /// Random, so that nothing made with it by mistake could ever match.
    private static func unusedPepper() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<KeyPepper.minBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Who acts, for the event log.
    private static var actor: String { "cli:\(NSUserName())" }

    /// From where, for the same: this host, and the address from which its user came here.
    private static var origin: String? {
        let host = (try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let client = ProcessInfo.processInfo.environment["SSH_CLIENT"]?.split(separator: " ").first
        let parts = [host, client.map { "from \($0.prefix(64))" }].compactMap(\.self).filter { !$0.isEmpty }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }

    /// Prints a result: JSON if asked for, else the text.
    func show(_ value: some Encodable, text: @autoclosure () -> String) throws {
        if json {
            try CommandOutput.print(json: value)
        } else {
            CommandOutput.print(text())
        }
    }
}
