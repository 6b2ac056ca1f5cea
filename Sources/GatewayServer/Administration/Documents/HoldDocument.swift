internal import Foundation
internal import GatewayCore
package import Ledger

/// A hold as scripts read it: amounts in nano-dollars, so that none is rounded.
package struct HoldDocument: Encodable {
    var hold: String
    var tenant: String
    var keyId: Int64
    var route: String?
    var model: String
    var state: String
    var unreconciled: Bool
    var amountNanoUsd: Int64
    var actualNanoUsd: Int64?
    var takenAt: Date
    var gateway: String?

    /// What is shown of a hold.
    package init(_ info: HoldInfo) {
        hold = info.name
        tenant = info.tenant
        keyId = info.keyID
        route = info.route
        model = info.model.description
        state = info.state
        unreconciled = info.isUnreconciled
        amountNanoUsd = info.amount.rawValue
        actualNanoUsd = info.actual?.rawValue
        takenAt = info.takenAt
        gateway = info.gateway
    }
}
