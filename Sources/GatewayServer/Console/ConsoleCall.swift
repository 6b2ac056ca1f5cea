internal import Foundation
internal import GatewayCore
internal import Hummingbird
internal import Ledger

/// One request for a page: who asks, for what, and where it is read.
struct ConsoleCall: Sendable {
    let identity: AdminIdentity
    let services: GatewayServices
    let store: AdminStore
    /// Of the query.
    var fields: AdminFields
    let now: Date
    private let path: [String: String]

    init(
        _ request: Request, _ context: GatewayContext, _ services: GatewayServices, _ administration: Administration,
        _ identity: AdminIdentity
    ) throws {
        self.identity = identity
        self.services = services
        store = administration.store.acting(as: identity.actor)
        fields = try AdminFields(query: request, body: [])
        now = Date()
        var path: [String: String] = [:]
        for (name, value) in context.parameters {
            let text = String(value)
            path[String(name)] = text.removingPercentEncoding ?? text
        }
        self.path = path
    }

    func part(_ name: String) throws -> String {
        guard let part = path[name], !part.isEmpty else { throw GatewayRefusal.noConsolePage }
        return part
    }

    /// The tenant in the path. To who may see another one only, there is no such page, whether or not there is such a
    /// tenant.
    func tenant() throws -> String {
        let name = try part("name")
        guard identity.tenant == nil || identity.tenant == name else { throw GatewayRefusal.noConsolePage }
        return name
    }

    /// A number in the path.
    func number(_ name: String) throws -> Int64 {
        guard let number = Int64(try part(name)), number > 0 else { throw GatewayRefusal.noConsolePage }
        return number
    }
}

extension GatewayRefusal {
    static let noConsolePage = GatewayRefusal(
        status: 404, type: "invalid_request_error", code: "not_found", message: "There is no such page.")

    /// Whatever came of a request for a page.
    init(ofPage error: any Error) {
        switch error {
        case let refusal as GatewayRefusal: self = refusal
        case let error as LedgerError: self.init(error)
        default: self = .unexpected(error)
        }
    }
}
