internal import GatewayCore
internal import HTTPTypes

/// What a client asks for by header.
struct RequestOptions: Sendable {
    /// `x-gboost-strategy`: instead of the route's own.
    var strategy: StrategyKind?
    /// `x-gboost-max-cost-usd`: the most that this request may cost.
    var maxCost: NanoUSD?
    /// `x-gboost-value-usd`: value ω of a right answer, instead of the route's.
    var valueUSD: Double?

    init(_ headers: HTTPFields) throws {
        if let text = headers[.strategy] {
            guard let kind = StrategyKind(rawValue: text) else {
                let known = StrategyKind.allCases.map(\.rawValue).joined(separator: ", ")
                throw GatewayRefusal.invalidRequest(
                    "x-gboost-strategy is '\(text.prefix(50))'; known are \(known).", parameter: "x-gboost-strategy")
            }
            strategy = kind
        }
        maxCost = try Self.amount(.maxCostUSD, in: headers)
        valueUSD = try Self.amount(.valueUSD, in: headers)?.approximateUSD
    }

    private static func amount(_ name: HTTPField.Name, in headers: HTTPFields) throws -> NanoUSD? {
        guard let text = headers[name] else { return nil }
        guard let amount = NanoUSD(usd: text), amount >= .zero else {
            throw GatewayRefusal.invalidRequest(
                "\(name.rawName) must be a decimal dollar amount with at most nine places, not '\(text.prefix(50))'.",
                parameter: name.rawName)
        }
        return amount
    }
}
