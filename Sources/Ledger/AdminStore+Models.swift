internal import Crypto
internal import Dispatch
internal import Foundation
package import GatewayCore
internal import Postgres

/// What a new model is to be.
package struct ModelDraft: Sendable {
    package var tenant: String
    package var name: String
    package var kind: ModelKind
    /// Path of the file, as the gateways see it.
    package var file: String
    /// The SLM that an adapter or a shared head belongs to.
    package var base: String?
    /// PRMs only.
    package var rewardKind: RewardKind?
    package var isPinned: Bool
    package init(
        tenant: String, name: String, kind: ModelKind, file: String, base: String? = nil,
        rewardKind: RewardKind? = nil, isPinned: Bool = false
    ) {
        self.tenant = tenant
        self.name = name
        self.kind = kind
        self.file = file
        self.base = base
        self.rewardKind = rewardKind
        self.isPinned = isPinned
    }
}

extension AdminStore {
    /// Registers a model's file, with the SHA-256 that it has now, as have the settings beside it.
    package func addModel(_ draft: ModelDraft) async throws(LedgerError) -> ModelRecord {
        try AdminText.check(draft.name, field: "name")
        try AdminText.check(draft.file, field: "file", atMost: 4096)
        try Self.check(draft)
        let isRemote = RemoteEndpoint.isMeant(draft.file)
        let path = isRemote ? draft.file : URL(fileURLWithPath: draft.file).standardizedFileURL.path
        let file = isRemote ? FileDigest.of(text: path) : try await FileDigest.of(path)
        let settings = isRemote ? nil : try await Self.settings(of: draft, besides: path)
        return try await changing { transaction in
            let tenant = try await lockedTenant(draft.tenant, transaction)
            if let base = draft.base { try await requireBase(base, of: draft, tenant, transaction) }
            let rows = try await transaction.query(
                """
                insert into models
                  (tenant_id, name, kind, file, sha256, bytes, base, reward_kind, pinned, settings_sha256)
                values (\(tenant.id), \(draft.name), \(draft.kind.rawValue), \(path), \(file.sha256), \(file.bytes),
                  \(optional: draft.base), \(optional: draft.rewardKind?.rawValue), \(draft.isPinned),
                  \(optional: settings))
                on conflict (tenant_id, name) do nothing returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.conflict, field: "name", "\(draft.tenant) has a model \(draft.name) already")
            }
            let model = try ModelRecord(row)
            try await note("model.add", (model.name, tenant.id), after: model, transaction)
            return model
        }
    }

    /// A tenant's models by name.
    package func models(tenant: String) async throws(LedgerError) -> [ModelRecord] {
        try await reading { transaction in
            let owner = try await self.tenant(tenant, transaction)
            return try await transaction.query("select * from models where tenant_id = \(owner.id) order by name").rows
                .map { try ModelRecord($0) }
        }
    }

    /// Forgets a model; its file stays. Refused while a route or another model needs it.
    package func removeModel(_ name: String, tenant: String) async throws(LedgerError) {
        try AdminText.requirePossible(name, field: "model")
        try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let users = try await transaction.query(
                """
                select 'route ' || name as user from routes
                where tenant_id = \(owner.id) and (slm = \(name) or prm = \(name))
                union all select 'model ' || name from models where tenant_id = \(owner.id) and base = \(name)
                """
            ).rows.map { try $0.get("user", as: String.self) }
            guard users.isEmpty else {
                throw LedgerError(.conflict, field: "model", "\(name) is needed by \(users.joined(separator: ", "))")
            }
            let rows = try await transaction.query(
                "delete from models where tenant_id = \(owner.id) and name = \(name) returning *"
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.notFound, field: "model", "\(tenant) has no model \(name)")
            }
            try await note("model.remove", (name, owner.id), before: try ModelRecord(row), transaction)
        }
    }

    /// Tells every gateway to load a model, or to unload it as soon as nobody uses it.
    package func orderModel(
        _ name: String, tenant: String, _ action: ModelOrder.Action
    ) async throws(LedgerError) -> ModelRecord {
        try AdminText.requirePossible(name, field: "model")
        return try await changing { transaction in
            let owner = try await lockedTenant(tenant, transaction)
            let before = try await transaction.query(
                "select * from models where tenant_id = \(owner.id) and name = \(name) for no key update"
            ).rows.first.map { try ModelRecord($0) }
            let rows = try await transaction.query(
                """
                update models set ordered = \(action.rawValue), order_number = order_number + 1
                where tenant_id = \(owner.id) and name = \(name) returning *
                """
            ).rows
            guard let row = rows.first else {
                throw LedgerError(.notFound, field: "model", "\(tenant) has no model \(name)")
            }
            let model = try ModelRecord(row)
            try await note("model.\(action.rawValue)", (name, owner.id), before: before, after: model, transaction)
            return model
        }
    }

    /// An adapter belongs to an SLM, a head to an SLM or to an adapter over one.
    private func requireBase(
        _ name: String, of draft: ModelDraft, _ tenant: TenantInfo, _ transaction: PostgresTransaction
    ) async throws {
        let place = (tenant, transaction)
        guard draft.kind == .prm else { return try await requireModel(name, .slm, field: "base", in: place) }
        try await requireModel(name, .slm, .adapter, field: "base", in: place)
    }

    func requireModel(
        _ name: String, _ kinds: ModelKind..., field: String, in place: (TenantInfo, PostgresTransaction)
    ) async throws {
        let (tenant, transaction) = place
        try AdminText.requirePossible(name, field: field)
        let rows = try await transaction.query(
            "select kind from models where tenant_id = \(tenant.id) and name = \(name)"
        ).rows
        guard let row = rows.first else {
            throw LedgerError(.notFound, field: field, "\(tenant.name) has no model \(name)")
        }
        let found = try row.get("kind", as: String.self)
        guard kinds.contains(where: { $0.rawValue == found }) else {
            let wanted = kinds.map(\.rawValue).joined(separator: " or ")
            throw LedgerError(.invalid, field: field, "model \(name) is of kind \(found), not \(wanted)")
        }
    }

    /// SHA-256 of the settings that a PRM is asked by; nil where it has none.
    private static func settings(of draft: ModelDraft, besides path: String) async throws(LedgerError) -> String? {
        let settings = ModelRecord.settingsFile(besides: path)
        guard draft.rewardKind == .tokens, FileManager.default.fileExists(atPath: settings) else { return nil }
        return try await FileDigest.of(settings).sha256
    }

    private static func check(_ draft: ModelDraft) throws(LedgerError) {
        do throws(LocalModelError) {
            let isRemote = try RemoteEndpoint.parse(draft.file) != nil
            if isRemote, draft.kind == .adapter || draft.rewardKind ?? .tokens != .tokens {
                throw LocalModelError.invalid("another server can hold an SLM, or a PRM of kind tokens")
            }
        } catch {
            guard case .invalid(let why) = error else { return }
            throw LedgerError(.invalid, field: "file", why)
        }
        if draft.base == draft.name {
            throw LedgerError(.invalid, field: "base", "\(draft.name) cannot belong to itself")
        }
        switch draft.kind {
        case .prm:
            guard let reward = draft.rewardKind else {
                throw LedgerError(.invalid, field: "reward-kind", "a PRM needs one: tokens, head or shared-head")
            }
            if reward == .sharedHead, draft.base == nil {
                throw LedgerError(.invalid, field: "base", "a shared head needs the SLM it belongs to")
            }
            if reward == .head, draft.base == nil {
                throw LedgerError(.invalid, field: "base", "a head needs the model it belongs to")
            }
            if reward == .tokens, draft.base != nil {
                throw LedgerError(.invalid, field: "base", "is for heads and adapters: a PRM of kind tokens has none")
            }
        case .adapter, .slm:
            if draft.kind == .adapter, draft.base == nil {
                throw LedgerError(.invalid, field: "base", "an adapter needs the SLM it belongs to")
            }
            if draft.kind == .slm, draft.base != nil {
                throw LedgerError(.invalid, field: "base", "is for heads and adapters: an SLM has none")
            }
            if draft.rewardKind != nil { throw LedgerError(.invalid, field: "reward-kind", "is for PRMs only") }
        }
    }
}

/// A file's SHA-256, read piece by piece on a thread that may block.
package enum FileDigest {
    private static let pieceBytes = 4 << 20

    /// Lower-case hex SHA-256 and length of a file; an empty one is an error.
    package static func of(_ path: String) async throws(LedgerError) -> (sha256: String, bytes: Int64) {
        let result: Result<(sha256: String, bytes: Int64), LedgerError> = await withCheckedContinuation { done in
            DispatchQueue.global(qos: .utility).async { done.resume(returning: read(path)) }
        }
        return try result.get()
    }

    /// Of a text that stands for a model which another server holds.
    static func of(text: String) -> (sha256: String, bytes: Int64) {
        (SHA256.hash(data: Array(text.utf8)).hexadecimal, Int64(text.utf8.count))
    }

    private static func read(_ path: String) -> Result<(sha256: String, bytes: Int64), LedgerError> {
        // A pipe or a device could be read for ever.
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let type = (try? FileManager.default.attributesOfItem(atPath: target))?[.type] as? FileAttributeType
        guard type ?? .typeRegular == .typeRegular else {
            return .failure(LedgerError(.invalid, field: "file", "\(path) is not a regular file"))
        }
        guard let file = FileHandle(forReadingAtPath: path) else {
            return .failure(LedgerError(.invalid, field: "file", "cannot read \(path)"))
        }
        defer { try? file.close() }
        var hash = SHA256()
        var bytes: Int64 = 0
        do {
            while let piece = try file.read(upToCount: pieceBytes), !piece.isEmpty {
                hash.update(data: piece)
                bytes += Int64(piece.count)
            }
        } catch {
            return .failure(LedgerError(.invalid, field: "file", "cannot read \(path)"))
        }
        guard bytes > 0 else { return .failure(LedgerError(.invalid, field: "file", "\(path) is empty")) }
        return .success((hash.finalize().hexadecimal, bytes))
    }
}
