internal import Foundation
internal import GatewayCore
internal import Ledger

/// What an import did, and what it could not do.
struct LiteLLMReport: Encodable {
    struct Change: Encodable {
        var action: ApplyPlan.Action
        var kind: String
        var tenant: String?
        var name: String
    }
    struct Prices: Encodable {
        var imported: [String]
        var unchanged: [String]
        var conflicting: [String]
    }
    var source: String
    var dryRun: Bool
    /// Resources that were made or changed; none on a second run.
    var changes: [Change]
    /// Keys that were taken over by their hash, in all.
    var keys: Int
    var prices: Prices
    var providers: [ImportedProvider]
    var groups: [ImportedGroup]
    var adminKey: String?
    /// What gboost.yaml is to have.
    var configuration: String
    /// What has no equal here, each by its place.
    var remarks: [ImportRemark]
    private var plan: String

    enum CodingKeys: String, CodingKey {
        case source
        case dryRun = "dry_run"
        case changes
        case keys
        case prices
        case providers
        case groups = "model_groups"
        case adminKey = "admin_key"
        case configuration
        case remarks
    }

    init(_ plan: LiteLLMPlan, changes: ApplyPlan, prices: PriceImport, isDryRun: Bool) {
        source = plan.source.file
        dryRun = isDryRun
        self.changes = changes.changes.map {
            Change(action: $0.action, kind: $0.name.kind.rawValue, tenant: $0.name.tenant, name: $0.name.text)
        }
        keys = plan.resources.count { $0.name.kind == .key && !$0.isNeverMade }
        self.prices = Prices(
            imported: prices.imported.map(\.model.description), unchanged: prices.unchanged.map(\.description),
            conflicting: prices.conflicting.map(\.description))
        providers = plan.providers
        groups = plan.groups
        adminKey = plan.adminKey
        configuration = Self.configuration(plan)
        remarks = plan.remarks
        self.plan = changes.isEmpty ? "nothing to change\n" : changes.text
    }

    private static func configuration(_ plan: LiteLLMPlan) -> String {
        var text = "compatibility: { litellm_headers: true }\n"
        if let key = plan.adminKey { text += "admin: { key: \"\(key)\" }\n" }
        if !plan.providers.isEmpty { text += "providers:\n" + plan.providers.map(\.yaml).joined() }
        if !plan.groups.isEmpty { text += "model_groups:\n" + plan.groups.map(\.yaml).joined() }
        return text
    }

    /// Never over something that is there.
    func writeConfiguration(to path: String) throws(CommandFailure) {
        do {
            try Data(configuration.utf8).write(to: URL(filePath: path), options: .withoutOverwriting)
        } catch { throw OutputFile.failure(error, of: path, option: "--write") }
    }

    var text: String {
        var text = plan
        for model in prices.imported { text += "+ price \(model)\n" }
        for model in prices.conflicting { text += "! price \(model): another one takes effect at this moment\n" }
        text += "\(prices.imported.count) prices, \(prices.unchanged.count) unchanged\n"
        text += dryRun ? "nothing was changed: a dry run\n" : "done\n"
        text += "\nFor gboost.yaml:\n\(configuration)"
        guard !remarks.isEmpty else { return text + "\nEverything has an equal here.\n" }
        text += "\nNot the same here (\(remarks.count)):\n"
        for remark in remarks { text += "  \(remark.path): \(remark.reason)\n" }
        return text
    }
}
