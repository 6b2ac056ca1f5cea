internal import Foundation
internal import GatewayCore
internal import Ledger

/// A key as a request wants it.
struct LiteLLMKeyOrder: Sendable {
    let draft: KeyDraft
    /// The field that has its name.
    private let nameField: String
    /// What the caller has made up as the key.
    let own: String?
    let isBlocked: Bool
    let limits: LiteLLMLimits
    /// Fields that only describe, and are not kept.
    let notKept: [String]

    /// Takes all that is left in `record`, but for the name.
    /// - Parameter field: the one that had it.
    init(named name: String, by field: String, _ record: inout LiteLLMRecord, _ call: LiteLLMCall) throws {
        nameField = field
        var draft = KeyDraft(tenant: try call.tenant(&record), team: try record.text("team_id"), name: name)
        draft.models = try record.models()
        if let duration = try record.text("duration") {
            draft.expiresAt = try LiteLLMDuration.end(duration, from: Date())
        }
        isBlocked = try record.flag("blocked") ?? false
        own = try record.text("key")
        if let own {
            draft.importedSHA256 = try Self.digest(own)
            draft.displayPrefix = "\(own.prefix(6))…"
        }
        limits = try LiteLLMLimits(&record)
        notKept = try LiteLLMCall.finish(record)
        self.draft = draft
    }

    /// Makes it, with its limits; in a transaction of the caller's.
    func make(_ store: AdminStore) async throws -> NewKey {
        var new = try await LiteLLMFieldNames.naming(["name": nameField]) { try await store.createKey(draft) }
        let key = new.info.id
        try await LiteLLMScope(tenant: draft.tenant, scope: .key(key)).set(limits, by: store)
        if isBlocked { new.info = try await store.setKeySuspended(true, key: key) }
        return new
    }

    private static func digest(_ key: String) throws(LiteLLMRecord.Failure) -> String {
        guard key.hasPrefix("sk-"), key.utf8.count >= 20, key.utf8.count <= KeyHasher.maximumKeyBytes else {
            throw LiteLLMRecord.Failure(field: "key", message: "must begin with sk- and have from 20 to 256 bytes")
        }
        return KeyHasher.plainDigest(key)
    }
}
