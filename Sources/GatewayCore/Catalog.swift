/// A paid model: a configured provider's name and the model's name there, written "provider/model".
package struct ModelReference: Hashable, Sendable, Codable, CustomStringConvertible {
    package var provider: String
    package var model: String
    package init(provider: String, model: String) {
        self.provider = provider
        self.model = model
    }
    /// Parses "provider/model"; the model's own name may contain further slashes.
    package init?(_ text: String) {
        guard let slash = text.firstIndex(of: "/"), slash != text.startIndex, text.index(after: slash) != text.endIndex
        else { return nil }
        self.init(provider: String(text[..<slash]), model: String(text[text.index(after: slash)...]))
    }
    package var description: String { "\(provider)/\(model)" }
}

/// A customer: keys, models, budgets and the audit belong to exactly one.
package struct Tenant: Hashable, Sendable, Codable {
    package var id: Int64
    package var name: String
    /// IANA name, e.g. "Europe/Berlin": budget periods are cut in it.
    package var timeZone: String
    package var isSuspended: Bool
    /// Texts of its paid calls are kept, encrypted.
    package var capturesText = false
    /// So many seconds answers of paid models are kept in memory for the same request; nil: not at all.
    package var cacheSeconds: Int?
    package init(id: Int64, name: String, timeZone: String, isSuspended: Bool) {
        self.id = id
        self.name = name
        self.timeZone = timeZone
        self.isSuspended = isSuspended
    }
}

/// Who sent a request, as the key says: everything that budgets and the audit are scoped by.
package struct Caller: Hashable, Sendable {
    package var tenant: Tenant
    package var teamID: Int64?
    package var keyID: Int64
    /// What it may put into `model`.
    package var models = ModelAllowance()
    package init(tenant: Tenant, teamID: Int64?, keyID: Int64) {
        self.tenant = tenant
        self.teamID = teamID
        self.keyID = keyID
    }
}

/// What a tenant's model file is for.
package enum ModelKind: String, Hashable, Sendable, Codable, CaseIterable { case slm, prm, adapter }

/// How a process reward is read (design: PRM kinds).
package enum RewardKind: String, Hashable, Sendable, Codable, CaseIterable {
    /// Probability of a good against a bad token after a step.
    case tokens
    /// A small head on the SLM's own hidden state at the step's last token.
    case sharedHead = "shared-head"
    /// A small head on the hidden state of another model, which `base` names.
    case head
}

/// What an operator told gateways to do with a model; a higher number is a later order.
package struct ModelOrder: Hashable, Sendable, Codable {
    /// Into memory, or out of it as soon as nobody uses it.
    package enum Action: String, Hashable, Sendable, Codable { case load, unload }
    package var action: Action
    package var number: Int64
    package init(action: Action, number: Int64) {
        self.action = action
        self.number = number
    }
}

/// A tenant's private model file.
package struct ModelRecord: Hashable, Sendable, Codable {
    package var id: Int64
    package var tenantID: Int64
    package var name: String
    package var kind: ModelKind
    /// Path of the GGUF (SLM, adapter, PRM of kind `tokens`) or of the head file (PRM of kind `head` or `shared-head`).
    package var file: String
    /// Lower-case hex SHA-256 of the file as registered.
    package var sha256: String
    /// Lower-case hex SHA-256 of the settings beside it as registered; nil: there were none, or nobody looked.
    package var settingsSHA256: String?
    /// SLM that an adapter belongs to; SLM or adapter that a head belongs to.
    package var base: String?
    /// PRMs only.
    package var rewardKind: RewardKind?
    package var isPinned: Bool
    /// The last order to load or unload it.
    package var order: ModelOrder?
    package init(
        id: Int64, tenantID: Int64, name: String, kind: ModelKind, file: String, sha256: String, base: String? = nil,
        rewardKind: RewardKind? = nil, isPinned: Bool = false, order: ModelOrder? = nil, settingsSHA256: String? = nil
    ) {
        self.settingsSHA256 = settingsSHA256
        self.order = order
        self.id = id
        self.tenantID = tenantID
        self.name = name
        self.kind = kind
        self.file = file
        self.sha256 = sha256
        self.base = base
        self.rewardKind = rewardKind
        self.isPinned = isPinned
    }

    /// Where the settings of a PRM of kind `tokens` are, if it has any: how it is asked, and what its answers mean.
    package static func settingsFile(besides file: String) -> String { file + ".prm.json" }
}

/// A boosted route: the name that clients put into `model`.
package struct RouteRecord: Hashable, Sendable, Codable {
    package var id: Int64
    package var tenantID: Int64
    package var name: String
    /// Names of the tenant's models; a direct route may have none.
    package var slm: String
    package var prm: String?
    package var llm: ModelReference
    package var settings: RouteSettings
    package init(
        id: Int64, tenantID: Int64, name: String, slm: String, prm: String?, llm: ModelReference,
        settings: RouteSettings
    ) {
        self.id = id
        self.tenantID = tenantID
        self.name = name
        self.slm = slm
        self.prm = prm
        self.llm = llm
        self.settings = settings
    }
}

/// Why a key was turned away.
package enum AuthenticationFailure: Error, Hashable, Sendable {
    case unknownKey, expired, revoked, tenantSuspended
    /// The key alone, or its team.
    case suspended
    /// It is not among the keys known here, and whether it was made since could not be found out: none of its faults.
    case unavailable
}

/// The read side of tenants, keys, routes, models and prices that a request needs.
///
/// Answers come from a snapshot that follows the database within a second and outlives its absence (the SLM must
/// keep answering when the ledger cannot be reached). Money is decided by the database alone.
package protocol Catalog: Sendable {
    /// The caller that a presented key ("gb-…") stands for.
    func authenticate(_ presentedKey: String) async throws(AuthenticationFailure) -> Caller
    func route(_ name: String, tenantID: Int64) async -> RouteRecord?
    func routes(tenantID: Int64) async -> [RouteRecord]
    func model(_ name: String, tenantID: Int64) async -> ModelRecord?
    /// All registered models of all tenants, for preloading.
    func models() async -> [ModelRecord]
    /// The price in force now; nil: unknown, so the model must not be called.
    func price(_ model: ModelReference) async -> ModelPrice?
    /// Every paid model with a price in force.
    func pricedModels() async -> [ModelReference]
    /// What limits this caller's answers by local models.
    func localLimits(_ caller: Caller) async -> [LocalLimit]
}

extension Catalog {
    /// None: a catalog need not have any.
    package func localLimits(_ caller: Caller) async -> [LocalLimit] { [] }
}
