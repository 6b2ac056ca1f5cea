package import Audit
internal import Foundation

extension AuditStore {
    /// Proves that a record is in its log, for whoever names it as people do.
    /// - Parameters:
    ///   - name: the record's number, or its call: "REQUEST/STEP/ATTEMPT".
    ///   - tenant: nil: the log of administrative events.
    ///   - isRefused: the tenant's refused calls instead of its escalations.
    ///   - old: the size of a tree that somebody has; the proof then also shows that it is the beginning.
    package func prove(
        _ name: String, tenant: Int64?, isRefused: Bool, from old: Int64?
    ) async throws(LedgerError) -> AuditProof {
        let log = tenant.map { AuditLog(isRefused ? .refusals : .escalations, tenant: $0) } ?? AuditLog(.events)
        return try await prove(try await number(name, log), in: log, from: old)
    }

    private func number(_ name: String, _ log: AuditLog) async throws(LedgerError) -> Int64 {
        if let number = Int64(name) { return number }
        let parts = name.split(separator: "/").map(String.init)
        guard parts.count == 3, let request = UUID(uuidString: parts[0]), let step = Int16(parts[1]),
            let attempt = Int16(parts[2]), log.kind != .events
        else {
            throw LedgerError(
                .invalid, field: "id", "'\(name.prefix(60))' is neither a number nor a tenant's call")
        }
        guard let found = try await number(ofRequest: request, step: step, attempt: attempt, in: log) else {
            throw LedgerError(.notFound, field: "id", "there is no such call")
        }
        return found
    }

    /// Verifies all logs of a tenant, or all that there are.
    /// - Parameter publicKeys: as `gboost audit key` prints them; none: checkpoints are not looked at.
    package func verify(tenant: Int64?, publicKeys: [String]) async throws(LedgerError) -> AuditReport {
        var keys: [NoteVerifier] = []
        for text in publicKeys {
            do { keys.append(try NoteVerifier(text)) } catch {
                throw LedgerError(.invalid, field: "public-key", "a public key \(error)")
            }
        }
        let logs = try await self.logs(tenant: tenant)
        return try await verify(logs.map(\.log), keys: keys, tenant: tenant)
    }
}

extension AdminStore {
    /// A tenant's number by its name, also a deleted one's ("#7"); nil when none is named.
    package func number(ofTenant name: String?) async throws(LedgerError) -> Int64? {
        guard let name else { return nil }
        return try await tenant(named: name).id
    }
}
