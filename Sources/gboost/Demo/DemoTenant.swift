internal import Foundation
internal import GatewayCore
internal import Ledger

/// The demo's tenant: a team with a key, an SLM, a PRM, a route, a price and a budget. Made once, found again later.
struct DemoTenant: Sendable {
    static let name = "demo"
    static let route = "math"
    static let budget = NanoUSD(5 * NanoUSD.perDollar)
    /// The API key's secret.
    let key: String

    static func make(
        admin: AdminStore, place: DemoPlace, head: String, upstream: DemoUpstream
    ) async throws -> DemoTenant {
        if try await !admin.tenants().contains(where: { $0.name == name }) {
            _ = try await admin.createTenant(name: name)
            _ = try await admin.createTeam(name: "maths", tenant: name)
            _ = try await admin.setBudget(BudgetDraft(tenant: name, limit: budget, alertAt: [50, 80, 95]))
        }
        try await price(upstream, admin: admin)
        try await models(admin: admin, head: head, upstream: upstream)
        return DemoTenant(key: try await key(admin: admin, place: place))
    }

    private static func price(_ upstream: DemoUpstream, admin: AdminStore) async throws {
        let known = try await admin.prices(model: upstream.llm)
        guard !known.contains(where: \.isInForce) else { return }
        _ = try await admin.setPrice(
            PriceDraft(
                model: upstream.llm, inputUSDPerMtok: upstream.price.input, outputUSDPerMtok: upstream.price.output))
    }

    private static func models(admin: AdminStore, head: String, upstream: DemoUpstream) async throws {
        let slm = try DemoPlace.slm()
        let known = try await admin.models(tenant: name)
        if !known.contains(where: { $0.name == "smollm2" }) {
            _ = try await admin.addModel(
                ModelDraft(tenant: name, name: "smollm2", kind: .slm, file: slm, isPinned: true))
        }
        if !known.contains(where: { $0.name == "math-steps" }) {
            _ = try await admin.addModel(
                ModelDraft(
                    tenant: name, name: "math-steps", kind: .prm, file: head, base: "smollm2",
                    rewardKind: .sharedHead))
        }
        // The route follows the provider of this start.
        let routes = try await admin.routes(tenant: name)
        guard routes.first(where: { $0.name == route })?.llm != upstream.llm else { return }
        if routes.contains(where: { $0.name == route }) { try await admin.removeRoute(route, tenant: name) }
        var settings = RouteSettings()
        settings.boundary = .newline
        // So that one can watch single steps being paid for: taken to be nearly as good as a rest, and cheaper.
        settings.stepGainShare = 0.95
        // Its answers are some four lines of a dozen tokens: a second step would cost more than the rest.
        (settings.expectedStepTokens, settings.expectedRestTokens) = (12, 45)
        _ = try await admin.addRoute(
            RouteDraft(
                tenant: name, name: route, slm: "smollm2", prm: "math-steps", llm: upstream.llm, settings: settings))
    }

    /// The key of an earlier start, or a new one. Only the demo keeps a key in a file; the database has its hash.
    private static func key(admin: AdminStore, place: DemoPlace) async throws -> String {
        if let known = try? String(contentsOfFile: place.key, encoding: .utf8), known.hasPrefix("gb-") {
            return known.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let new = try await admin.createKey(KeyDraft(tenant: name, team: "maths", name: "demo"))
        let made = FileManager.default.createFile(
            atPath: place.key, contents: Data((new.secret + "\n").utf8), attributes: [.posixPermissions: 0o600])
        guard made else { throw CommandFailure("the key file \(place.key) cannot be written") }
        return new.secret
    }
}
