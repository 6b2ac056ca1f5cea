internal import Foundation
internal import GatewayCore
internal import Ledger

/// What a resource is named by. The same name in a file and in the database is the same resource.
struct ResourceName: Hashable, Sendable {
    /// In the order in which they are made: what refers to others comes after them.
    enum Kind: String, Hashable, Sendable, CaseIterable {
        case price, tenant, team, key, budget, limit, route, destination
    }
    var kind: Kind
    /// Nil for prices, and for the operator's destinations.
    var tenant: String?
    /// Unique among its kind in the tenant.
    var text: String
}

/// A resource as a file wants it.
struct DeclaredResource: Sendable {
    /// How it is brought about. Keys are named: those to be made have no number yet.
    enum Draft: Sendable {
        /// `capture`, `cache`: nil leaves it as it is, a nil within turns it off.
        case tenant(timeZone: String?, suspended: Bool?, capture: Int??, cache: Int??)
        case team(suspended: Bool?, models: [String]?)
        case key(KeyDraft, suspended: Bool?)
        case budget(BudgetDraft, key: String?)
        case limit(LimitDraft, key: String?)
        case route(RouteDraft)
        case price(DeclaredPrice)
        case destination(DestinationDraft)
    }
    var name: ResourceName
    /// What is compared and shown. A field that the file leaves out is left as it is.
    var fields: [String: String]
    var draft: Draft
    var place: DeclaredPlace
    /// Only what is there already is changed: where it is not, there is nothing to do.
    var isNeverMade = false

    /// The key that it is, or that it caps; nil: it has to do with none.
    var key: ResourceName? {
        let text: String? =
            switch draft {
            case .key: name.text
            case .budget(_, let key), .limit(_, let key): key
            default: nil
            }
        return text.map { ResourceName(kind: .key, tenant: name.tenant, text: $0) }
    }

    /// With what the file leaves out of something that is only ever replaced as a whole, as it is now.
    func keeping(_ current: CurrentResource) -> DeclaredResource {
        guard case .price(let declared) = draft, let old = current.price else { return self }
        let price = declared.keeping(old)
        var resource = self
        (resource.draft, resource.fields) = (.price(price), ResourceText.price(price.draft.price))
        return resource
    }
}

/// A resource as it is in the database.
struct CurrentResource: Sendable {
    /// How it is taken away; nil: it cannot be.
    enum Removal: Sendable {
        case key(Int64)
        case budget(BudgetDraft)
        case limit(LimitDraft)
        case route(String)
        case destination(String)
    }
    var name: ResourceName
    var fields: [String: String]
    var removal: Removal?
    /// Set for prices.
    var price: ModelPrice?
}

/// How values are written, the same for both sides.
enum ResourceText {
    static let none = "none"

    static func flag(_ value: Bool) -> String { value ? "true" : "false" }
    static func time(_ date: Date?) -> String { date?.formatted(.iso8601) ?? none }
    static func span(_ value: Int?) -> String { value.map(String.init) ?? none }
    static func models(_ patterns: [String]?) -> String { patterns.map { $0.joined(separator: ",") } ?? none }
    static func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ",") }

    /// Every part of a price by its own name, whatever prices consist of.
    static func price(_ price: ModelPrice) -> [String: String] {
        var fields = flat((try? CommandOutput.json(price)) ?? "{}")
        fields["id"] = nil
        fields["model"] = nil
        return fields
    }

    static func route(
        slm: String, prm: String?, llm: ModelReference, _ settings: RouteSettings
    ) throws(LedgerError) -> [String: String] {
        var fields = ["slm": slm.isEmpty ? none : slm, "prm": prm ?? none, "llm": llm.description]
        for (name, value) in flat(try settings.jsonText()) { fields["settings.\(name)"] = value }
        return fields
    }

    private static func flat(_ json: String) -> [String: String] {
        let value = (try? JSONSerialization.jsonObject(with: Data(json.utf8))) ?? [:]
        var fields: [String: String] = [:]
        add(value, "", to: &fields)
        return fields
    }

    /// Parts of parts are named with a dot between, "rates.input", elements of lists by their number.
    private static func add(_ value: Any, _ name: String, to fields: inout [String: String]) {
        let prefix = name.isEmpty ? "" : "\(name)."
        if let object = value as? [String: Any] {
            for (key, part) in object { add(part, prefix + key, to: &fields) }
        } else if let list = value as? [Any] {
            for (index, part) in list.enumerated() { add(part, prefix + String(index), to: &fields) }
        } else {
            fields[name] = "\(value)"
        }
    }

    /// "team research month model openai/*".
    static func scope(team: String?, key: String?, model: String?, tag: String?) -> String {
        (team.map { "team \($0)" } ?? key.map { "key \($0)" } ?? "tenant")
            + (model.map { " model \($0)" } ?? "") + (tag.map { " tag \($0)" } ?? "")
    }
}
