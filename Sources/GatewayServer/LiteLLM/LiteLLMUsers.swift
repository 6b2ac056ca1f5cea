internal import GatewayCore
internal import Ledger
internal import WireFormat

/// `/user/new` of LiteLLM's. There are no users here: what LiteLLM makes with one, a key with the user's limits, is
/// made and has the user's name, and the answer says so.
enum LiteLLMUsers {
    /// Roles that allow nothing but what every key may.
    private static let plainRoles: Set<String> = ["internal_user", "internal_user_viewer", "team", "customer"]

    static func make(_ call: LiteLLMCall) async throws -> [UInt8] {
        var record = call.record
        let (id, userAlias, keyAlias) = (
            try record.text("user_id"), try record.text("user_alias"), try record.text("key_alias")
        )
        let name = id ?? userAlias ?? keyAlias ?? ""
        let field = id != nil ? "user_id" : userAlias != nil ? "user_alias" : "key_alias"
        if let keyAlias, keyAlias != name {
            throw LiteLLMRecord.Failure(field: "key_alias", message: "must be the user's name, or left out")
        }
        guard try record.flag("auto_create_key") ?? true else {
            throw LiteLLMRecord.Failure(field: "auto_create_key", message: "must be true: a user is a key here")
        }
        var notKept: [String] = []
        if let userAlias, userAlias != name { notKept.append("user_alias") }
        if let role = try record.text("user_role") {
            guard plainRoles.contains(role) else {
                throw LiteLLMRecord.Failure(field: "user_role", message: "has no equal here: keys administer nothing")
            }
            notKept.append("user_role")
        }
        let order = try LiteLLMKeyOrder(named: name, by: field, &record, call)
        let made = try await call.store.inOneTransaction { store in
            let new = try await order.make(store)
            try await refuseSecond(order.draft, field, store)
            return new
        }
        return answer(made, of: order, notKept: notKept, await call.budgetRemarks(of: order.draft.tenant))
    }

    /// A user is made once. After the key, whose making has locked the tenant: nobody else makes the same meanwhile.
    private static func refuseSecond(_ draft: KeyDraft, _ field: String, _ store: AdminStore) async throws {
        guard !draft.name.isEmpty else { return }
        let same = try await store.usableKeys(tenant: draft.tenant, KeyFilter(name: draft.name), limit: 1)
        guard same.count == 1 else {
            throw LedgerError(.conflict, field: field, "\(draft.tenant) has a key named \(draft.name) already")
        }
    }

    private static func answer(
        _ made: NewKey, of order: LiteLLMKeyOrder, notKept: [String], _ remarks: [LiteLLMRecord.Failure]
    ) -> [UInt8] {
        let name = order.draft.name
        let remark = LiteLLMRecord.Failure(
            field: "user_id",
            message: "there are no users: it names this key, whose own the limits are; another key does not share them")
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("user_id", name.isEmpty ? "key:\(made.info.id)" : name)
        LiteLLMKeys.write(made, of: order, to: &writer)
        writer.remarks(notKept: (notKept + order.notKept).sorted(), order.limits.remarks + remarks + [remark])
        writer.endObject()
        return writer.bytes
    }
}
