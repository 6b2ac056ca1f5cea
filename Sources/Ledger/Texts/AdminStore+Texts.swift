package import Foundation
package import GatewayCore
internal import Postgres

/// The texts of a call, as they are kept.
package struct StoredText: Sendable {
    package var call: HoldID
    package var tenantID: Int64
    package var at: Date
    package var expiresAt: Date
    /// Which key they are encrypted with.
    package var keyID: String
    package var isCut: Bool
    var prompt: [UInt8]
    var answer: [UInt8]

    /// Both texts in the clear.
    package func opened(_ keys: TextKeyring) throws(LedgerError) -> (prompt: [UInt8], answer: [UInt8]) {
        (
            try keys.open(prompt, key: keyID, .prompt, of: call, tenant: tenantID),
            try keys.open(answer, key: keyID, .answer, of: call, tenant: tenantID)
        )
    }
}

extension AdminStore {
    /// Ten years.
    package static let maxCaptureDays = 3650

    /// Has the texts of a tenant's paid calls kept for so many days, encrypted; nil: no more from now on. What is kept
    /// already stays until its time is over.
    @discardableResult
    package func setCapture(days: Int?, tenant name: String) async throws(LedgerError) -> TenantInfo {
        guard days.map({ (1...Self.maxCaptureDays).contains($0) }) ?? true else {
            throw LedgerError(.invalid, field: "days", "is a number of 1…\(Self.maxCaptureDays)")
        }
        return try await changing { transaction in
            let before = try await lockedTenant(name, transaction)
            _ = try await transaction.query(
                "update tenants set capture_days = \(optional: days.map { Int32($0) }) where id = \(before.id)")
            let after = try await tenant(name, transaction)
            try await note("tenant.capture", (name, before.id), before: before, after: after, transaction)
            return after
        }
    }

    /// The texts of a tenant's escalation of that number; nil: none are kept, or not any more.
    package func text(ofEscalation seq: Int64, tenant name: String) async throws(LedgerError) -> StoredText? {
        try await reading { transaction in
            let tenant = try await self.tenant(name, transaction)
            let row = try await transaction.query(
                """
                select x.* from escalations e join escalation_texts x on x.tenant_id = e.tenant_id
                  and x.request_id = e.request_id and x.step = e.step and x.attempt = e.attempt
                where e.tenant_id = \(tenant.id) and e.seq = \(seq) and x.expires_at > now()
                """
            ).rows.first
            return try row.map { row in
                StoredText(
                    call: HoldID(
                        request: try row.get("request_id"), step: try row.get("step"),
                        attempt: try row.get("attempt")),
                    tenantID: tenant.id, at: try row.get("at"), expiresAt: try row.get("expires_at"),
                    keyID: try row.get("key_id"), isCut: try row.get("is_cut"), prompt: try row.get("prompt"),
                    answer: try row.get("answer"))
            }
        }
    }
}
