package import GatewayCore
internal import Postgres

extension AdminStore {
    /// Keeps a model in every gateway's memory, or lets it make way again.
    package func pinModel(
        _ name: String, tenant: String, isPinned: Bool
    ) async throws(LedgerError) -> ModelRecord {
        try AdminText.requirePossible(name, field: "model")
        return try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let before = try await transaction.query(
                "select * from models where tenant_id = \(owner.id) and name = \(name) for no key update"
            ).rows.first.map { try ModelRecord($0) }
            let rows = try await transaction.query(
                """
                update models set pinned = \(isPinned) where tenant_id = \(owner.id) and name = \(name) returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.notFound, field: "model", "\(tenant) has no model \(name)")
            }
            let model = try ModelRecord(row)
            let action = isPinned ? "model.pin" : "model.unpin"
            try await note(action, (name, owner.id), before: before, after: model, transaction)
            return model
        }
    }
}
