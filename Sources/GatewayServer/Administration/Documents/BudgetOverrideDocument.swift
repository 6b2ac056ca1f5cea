internal import GatewayCore
package import Ledger

/// An override of a budget's limit, as scripts read it.
package struct BudgetOverrideDocument: Encodable {
    var id: Int64
    var from: String
    var until: String
    var limitNanoUsd: Int64

    /// What is shown of an override.
    package init(_ override: BudgetOverride) {
        id = override.id
        from = override.from
        until = override.until
        limitNanoUsd = override.limit.rawValue
    }
}
