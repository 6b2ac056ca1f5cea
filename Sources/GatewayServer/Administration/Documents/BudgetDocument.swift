internal import Foundation
internal import GatewayCore
package import Ledger

/// A budget in its current period, as scripts read it: amounts in nano-dollars, so that none is rounded.
package struct BudgetDocument: Encodable {
    var id: Int64
    var scope: String
    var window: String
    var period: String
    /// What the operator set for every period.
    var setNanoUsd: Int64
    var topUpNanoUsd: Int64
    /// What the periods before passed on, or would now; negative: spent before the periods were cut anew.
    var carriedNanoUsd: Int64
    /// The current period's limit: what was set, or its override, with what was added and carried.
    var limitNanoUsd: Int64
    /// The cap in force: never below what is settled and held.
    var capNanoUsd: Int64
    /// How far settled and held lie above the limit.
    var overByNanoUsd: Int64
    var settledNanoUsd: Int64
    var heldNanoUsd: Int64
    var remainingNanoUsd: Int64
    var model: String?
    var tag: String?
    var alertAt: [Int]
    /// The highest percentage that was told of in this period and is reached at the current limit; 0 for none.
    var alerted: Int
    var timeZone: String?
    var weekStart: String
    /// The most that a period passes on.
    var rolloverNanoUsd: Int64?
    var resetsAt: Date?
    /// The override that was just made, by which it is taken back.
    var overrideId: Int64?

    /// What is shown of a budget; and by which number, of an override that it was just given.
    package init(_ budget: BudgetInfo, override: Int64? = nil) {
        overrideId = override
        id = budget.id
        scope = budget.state.scope
        window = budget.window.rawValue
        period = budget.state.period
        setNanoUsd = budget.limit.rawValue
        topUpNanoUsd = budget.topUp.rawValue
        carriedNanoUsd = budget.carried.rawValue
        limitNanoUsd = budget.periodLimit.rawValue
        capNanoUsd = budget.state.limit.rawValue
        overByNanoUsd = budget.overBy.rawValue
        settledNanoUsd = budget.state.settled.rawValue
        heldNanoUsd = budget.state.held.rawValue
        remainingNanoUsd = budget.state.remaining.rawValue
        model = budget.model
        tag = budget.tag
        alertAt = budget.alertAt
        alerted = budget.alerted
        timeZone = budget.timeZone
        weekStart = Weekday.allCases[budget.weekStart - 1].rawValue
        rolloverNanoUsd = budget.rolloverUpTo?.rawValue
        resetsAt = budget.state.resetsAt
    }
}
