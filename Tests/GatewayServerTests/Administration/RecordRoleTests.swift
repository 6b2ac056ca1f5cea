import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: who may see the records, and who may close months")
struct RecordRoleTests {
    private struct Operation {
        var method = HTTPRequest.Method.get
        var path: String
        var body: String?
        /// Besides the operator.
        var roles = Set(AdminRole.allCases)
        var status = 200
    }

    private static let operations: [Operation] = [
        Operation(path: "/spend?tenant=acme"), Operation(path: "/statements?tenant=acme"),
        Operation(path: "/statements/2025-03?tenant=acme"), Operation(path: "/escalations?tenant=acme"),
        Operation(path: "/escalations/export?tenant=acme"), Operation(path: "/escalations/1?tenant=acme"),
        Operation(path: "/refusals?tenant=acme"),
        Operation(path: "/escalations/1/text?tenant=acme", roles: [.tenantAdmin, .auditor], status: 404),
        Operation(
            method: .post, path: "/corrections",
            body: #"{"tenant": "acme", "kind": "credit", "amount_usd": 1, "reason": "r"}"#, roles: [.billing],
            status: 201),
        Operation(
            method: .post, path: "/statements/2098-01/close", body: #"{"tenant": "acme"}"#, roles: [.billing],
            status: 409),
        Operation(path: "/events?tenant=acme", roles: [.auditor, .tenantAdmin]),
        Operation(path: "/audit/checkpoint?tenant=acme", roles: [.auditor]),
        Operation(path: "/audit/proof?tenant=acme&record=1", roles: [.auditor, .tenantAdmin]),
        Operation(path: "/audit/export?tenant=acme", roles: [.auditor]),
        Operation(
            method: .post, path: "/audit/verification", body: #"{"tenant": "acme"}"#, roles: [.auditor]),
    ]

    @Test("every role's status at every path, for its own tenant, for another's, and for nobody")
    func table() async throws {
        try await AdminFixture.with { fixture in
            _ = try await fixture.payers().acme.pay([1])
            _ = try await fixture.store.audit.seal()
            for operation in Self.operations {
                let (method, path, body) = (operation.method, operation.path, operation.body)
                #expect(try await fixture.send(method, path, body, by: .nobody).status == 401, "\(path)")
                for role in AdminRole.allCases {
                    let isAllowed = role == .operator || operation.roles.contains(role)
                    for tenant in [nil, "acme"] where role != .operator || tenant == nil {
                        let answer = try await fixture.send(method, path, body, by: .role(role, tenant: tenant))
                        #expect(answer.status == (isAllowed ? operation.status : 403), "\(role) \(path) \(answer.text)")
                    }
                    guard role != .operator else { continue }
                    let foreign = try await fixture.send(method, path, body, by: .role(role, tenant: "other"))
                    let code = isAllowed ? "tenant_not_allowed" : "role_not_allowed"
                    #expect(foreign.status == 403 && foreign.json("error", "code") == code, "\(role) \(path)")
                }
            }
            #expect(try await fixture.number("select count(*) from statement_entries") == 3)
        }
    }
}
