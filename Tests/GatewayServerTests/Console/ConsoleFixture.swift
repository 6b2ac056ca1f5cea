import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import Ledger
import NIOCore
import Testing

@testable import GatewayServer

/// Somebody at a browser: one gateway, and the cookie that it gave.
struct ConsoleBrowser: Sendable {
    let client: RouterClient
    var cookie: String?

    init(_ services: GatewayServices) { client = RouterClient(services) }

    func get(_ path: String, headers: HTTPFields = [:]) async throws -> AdminFixture.Answer {
        try await send(.get, path, headers: headers)
    }

    func post(
        _ path: String, _ form: String?, headers: HTTPFields = [.contentType: "application/x-www-form-urlencoded"]
    ) async throws -> AdminFixture.Answer {
        try await send(.post, path, headers: headers, body: form)
    }

    private func send(
        _ method: HTTPRequest.Method, _ path: String, headers: HTTPFields, body: String? = nil
    ) async throws -> AdminFixture.Answer {
        var headers = headers
        if let cookie { headers[.cookie] = "theme=dark; \(cookie)" }
        let answer = try await client.send(method, path, headers: headers, body: body)
        return AdminFixture.Answer(
            status: answer.status.code, headers: answer.headers, text: String(buffer: answer.body))
    }

    /// Signs in, and keeps what the browser would.
    mutating func signIn(_ credential: String) async throws -> AdminFixture.Answer {
        let answer = try await post("/console/sign-in", "credential=\(ConsoleLink.segment(credential))")
        if let given = answer.headers[.setCookie] { cookie = String(given.prefix { $0 != ";" }) }
        return answer
    }
}

/// What acme is full of for tests: names and reasons that mean something to a browser, and something of each kind.
struct ConsoleWorld: Sendable {
    static let team = "red"
    /// Allowed as a key's name: it has no control characters.
    static let keyName = "<script>alert(1)</script>a\"b"
    static let reason = #"weak "& <b>'"# + "\"\u{301} onmouseover=alert(1)"
    static let paid: Int64 = 1_234_567
    let payer: AdminFixture.Payer

    init(_ fixture: AdminFixture) async throws {
        let store = fixture.store
        let payers = try await fixture.payers()
        _ = try await store.createTeam(name: Self.team, tenant: "acme")
        let key = try await store.createKey(KeyDraft(tenant: "acme", team: Self.team, name: Self.keyName))
        _ = try await store.setBudget(
            BudgetDraft(tenant: "acme", scope: .team(Self.team), window: .day, limit: NanoUSD(500_000_000)))
        _ = try await store.setBudget(
            BudgetDraft(tenant: "acme", window: .request, limit: NanoUSD(200_000_000), alertAt: []))
        _ = try await store.setLimit(LimitDraft(tenant: "acme", unit: .requests, limit: 1200))
        _ = try await store.addModel(ModelDraft(tenant: "acme", name: "slm", kind: .slm, file: #filePath))
        var settings = RouteSettings()
        settings.strategy = .direct
        _ = try await store.addRoute(
            RouteDraft(
                tenant: "acme", name: "plain", slm: "", prm: nil, llm: AdminFixture.model, settings: settings))
        let before = TenantPage.month(ConsoleZone.utc.month(Date()), adding: -1)
        _ = try await store.enter(
            .credit, NanoUSD(1_000_000_000), tenant: "acme", reason: "a present", month: before)
        _ = try await store.closeStatement(tenant: "acme", month: before)
        // The ledger's payer, as the team's key.
        var caller = payers.acme.caller
        caller.keyID = key.info.id
        caller.teamID = try await store.teams(tenant: "acme").first { $0.name == Self.team }?.id
        payer = AdminFixture.Payer(ledger: payers.acme.ledger, caller: caller, priceID: payers.acme.priceID)
        try await pay()
        await payer.refused(1)
    }

    /// One step that was escalated, with everything that a decision knows.
    private func pay() async throws {
        let hold = HoldID(request: UUID(), step: 2, attempt: 0)
        _ = try await payer.ledger.reserve(
            Reservation(
                id: hold, caller: payer.caller, route: "plain", model: AdminFixture.model, priceID: payer.priceID,
                amount: NanoUSD(9_000_000)))
        var escalation = EscalationRecord(
            kind: .step, rewardRaw: 0.25, rewardCalibrated: 0.375, shadowPrice: 1.5,
            actions: [
                ActionEstimate(action: .accept, gain: 0, costUSD: 0, latencySeconds: 0, utility: 0),
                ActionEstimate(
                    action: .llmStep, gain: 0.3125, costUSD: 0.0004, latencySeconds: 1, utility: 0.00565),
            ], reason: Self.reason, slmSHA256: String(repeating: "ab", count: 32),
            prmSHA256: String(repeating: "cd", count: 32), promptHash: String(repeating: "ef", count: 32))
        escalation.excluded = ["llm_rest": "over_budget"]
        escalation.remaining = NanoUSD(7_000_000_000)
        await payer.ledger.settle(
            Settlement(
                id: hold, outcome: .completed, amount: NanoUSD(Self.paid), usage: TokenUsage(input: 300, output: 20),
                providerRequestID: "req-1", escalation: escalation))
    }
}

extension String {
    /// Whether these very bytes are in it: a browser knows nothing of combining characters.
    func hasBytes(_ text: String) -> Bool { Data(utf8).range(of: Data(text.utf8)) != nil }
}
