internal import GatewayCore
internal import Ledger

/// Whose budget or limit a request is about, and of which calls: the tenant's whole, unless something narrower is
/// named.
struct AdminScope: Sendable {
    let tenant: String
    let scope: BudgetScope
    let model: String?
    let tag: String?

    /// Takes `tenant`, `team`, `key`, `model` and `tag`. What could be no pattern or tag is refused here, since it is
    /// also looked up by.
    init(_ call: inout AdminCall) throws {
        tenant = try call.tenant()
        let team = try call.fields.text("team")
        let key = try call.fields.count("key", from: 1)
        guard team == nil || key == nil else { throw AdminFields.wrong("key", "and 'team' exclude each other") }
        scope = team.map { .team($0) } ?? key.map { .key($0) } ?? .tenant
        model = try call.fields.text("model")
        if let model, !ModelPattern.isValid(model) {
            throw AdminFields.wrong("model", "is not a pattern like openai/gpt-4*")
        }
        tag = try call.fields.text("tag")
        if let tag, !RequestTag.isValid(tag) {
            throw AdminFields.wrong("tag", "is not a tag: use up to 63 letters, digits and . _ : -")
        }
    }

    /// Refuses a change by the tenant's own administrator, unless it is of a team or a key: what the tenant itself may
    /// spend and use, in all or of some models or tags, is for those to say who pay for it.
    func requireChange(by identity: AdminIdentity) throws {
        guard identity.role == .tenantAdmin, scope == .tenant else { return }
        throw GatewayRefusal.roleNotAllowed(identity)
    }
}
