internal import GatewayCore

/// What has to change so that the database is as a file declares: a pure difference of the two.
struct ApplyPlan: Sendable {
    enum Action: String, Sendable, Encodable { case create, change, remove }

    /// A field before and after; nil: it was, or will be, not there.
    struct Field: Hashable, Sendable, Encodable {
        var name: String
        var before: String?
        var after: String?
    }

    struct Change: Sendable {
        var action: Action
        var name: ResourceName
        var fields: [Field]
        /// Set for create and change.
        var declared: DeclaredResource?
        /// Set for remove.
        var removal: CurrentResource.Removal?

        /// Of a budget or a limit.
        var isOfCaps: Bool {
            switch name.kind {
            case .budget, .limit: true
            case .price, .tenant, .team, .key, .route, .destination: false
            }
        }

        /// A time zone cuts every budget of its tenant anew.
        var isMove: Bool {
            name.kind == .tenant && action == .change && fields.contains { $0.name == "time_zone" }
        }
    }
    private(set) var changes: [Change] = []
    var isEmpty: Bool { changes.isEmpty }

    /// Whose budgets are locked before the first of them changes: where a tenant moves, calls lock them in an order
    /// that is not the plan's. All others change in one statement.
    var lockedTenants: [String] {
        guard changes.contains(where: \.isMove) else { return [] }
        return Set(changes.filter { $0.isOfCaps || $0.isMove }.compactMap(\.name.tenant)).sorted()
    }

    /// - Parameter prunes: whether what declared tenants have beyond the file is taken away. Tenants, teams and prices
    ///   never are: the ledger refers to them.
    init(declared: DeclaredState, current: CurrentState, prunes: Bool) throws(CommandFailure) {
        let known = Dictionary(current.resources.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for resource in declared.resources {
            // A cap too: it would go to any one of them, and to another the next time.
            if let key = resource.key, current.ambiguous.contains(key) {
                let field = resource.name.kind == .key ? "name" : "key"
                throw resource.place.failure(field, "several keys in use are named \(key.text)")
            }
            guard let old = known[resource.name] else {
                if resource.isNeverMade { continue }
                let fields = resource.fields.filter { $0.value != ResourceText.none }
                    .map { Field(name: $0.key, before: nil, after: $0.value) }
                changes.append(
                    Change(action: .create, name: resource.name, fields: Self.sorted(fields), declared: resource))
                continue
            }
            let merged = resource.keeping(old)
            var wanted = merged.fields
            // All of a price is in its fields now: a part that is not, such as a tier, is taken away.
            if resource.name.kind == .price {
                wanted.merge(old.fields.mapValues { _ in ResourceText.none }) { new, _ in new }
            }
            let fields = wanted.filter { old.fields[$0.key] ?? ResourceText.none != $0.value }
                .map { Field(name: $0.key, before: old.fields[$0.key] ?? ResourceText.none, after: $0.value) }
            if !fields.isEmpty {
                changes.append(
                    Change(action: .change, name: resource.name, fields: Self.sorted(fields), declared: merged))
            }
        }
        let order = ResourceName.Kind.allCases
        changes = changes.enumerated().sorted { a, b in
            let (x, y) = (order.firstIndex(of: a.element.name.kind), order.firstIndex(of: b.element.name.kind))
            return (x ?? 0, a.offset) < (y ?? 0, b.offset)
        }.map(\.element)
        guard prunes else { return }
        let wanted = Set(declared.resources.map(\.name))
        // The reverse: what refers to others goes first.
        for kind in order.reversed() {
            for old in current.resources where old.name.kind == kind && !wanted.contains(old.name) {
                guard let removal = old.removal else { continue }
                changes.append(Change(action: .remove, name: old.name, fields: [], removal: removal))
            }
        }
    }

    private static func sorted(_ fields: [Field]) -> [Field] { fields.sorted { $0.name < $1.name } }

    /// One line a change: "~ budget acme tenant month  limit_usd 10.000000000 → 20.000000000".
    var text: String {
        var text = ""
        for change in changes {
            let sign =
                switch change.action {
                case .create: "+"
                case .change: "~"
                case .remove: "-"
                }
            let owner = change.name.kind == .tenant ? "" : change.name.tenant.map { "\($0) " } ?? ""
            text += "\(sign) \(change.name.kind.rawValue) \(owner)\(change.name.text)"
            for field in change.fields {
                let values = field.before.map { "\($0) → \(field.after ?? "")" } ?? field.after ?? ""
                text += "  \(field.name) \(values)"
            }
            text += "\n"
        }
        let counts = [(Action.create, "create"), (.change, "change"), (.remove, "remove")].map { action, word in
            "\(changes.count { $0.action == action }) to \(word)"
        }
        return text + "\(counts.joined(separator: ", "))\n"
    }
}
