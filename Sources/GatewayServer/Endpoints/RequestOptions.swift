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
    /// `x-gboost-tags`: words that budgets and reports may count by, separated by commas.
    var tags: [String] = []
    /// `cache-control`: nil: what is kept may answer, and the answer may be kept.
    var cacheControl: CacheControl?

    /// What a request may say of the cache, as RFC 9111 means it; what else it says is not for us.
    enum CacheControl: String, Sendable {
        /// A fresh answer, which may be kept.
        case noCache = "no-cache"
        /// Nothing is read and nothing kept.
        case noStore = "no-store"
    }

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
        tags = try Self.tags(in: headers)
        let words = (headers[.cacheControl] ?? "").lowercased().split { $0 == "," || $0 == " " }.map(String.init)
        cacheControl = words.compactMap(CacheControl.init).max { a, _ in a == .noCache }
    }

    private static func tags(in headers: HTTPFields) throws -> [String] {
        guard let text = headers[.tags] else { return [] }
        var tags: [String] = []
        for part in text.split(separator: ",") {
            let tag = String(part.drop { $0 == " " }.prefix { $0 != " " })
            guard RequestTag.isValid(tag), part.filter({ $0 != " " }).count == tag.count else {
                throw GatewayRefusal.invalidRequest(
                    "x-gboost-tags holds '\(part.prefix(70))', which is no tag: up to 63 letters, digits and . _ : -",
                    parameter: HTTPField.Name.tags.rawName)
            }
            if !tags.contains(tag) { tags.append(tag) }
        }
        guard tags.count <= RequestTag.maxCount else {
            throw GatewayRefusal.invalidRequest(
                "x-gboost-tags has more than \(RequestTag.maxCount) tags.", parameter: HTTPField.Name.tags.rawName)
        }
        return tags
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
