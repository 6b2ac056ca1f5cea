import Foundation
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import GatewayServer

@Suite("The description of the HTTP interface")
struct OpenAPITests {
    private static let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "ops/openapi.json")

    private static func paths() throws -> [String: [String: Any]] {
        let document = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        return try #require(document?["paths"] as? [String: [String: Any]])
    }

    @Test("every route that the server has is described, and everything described is there")
    func complete() throws {
        let described = try Self.paths().flatMap { path, operations in
            operations.keys.map { "\($0.uppercased()) \(path)" }
        }
        let routes = GatewayApplication.router(Fixture().services).routes
        // HEAD is described in a sentence of its own.
        let heads = routes.filter { $0.method == .head }.map { "\($0.path)" }
        #expect(Set(heads) == Set(routes.filter { $0.method == .get }.map { "\($0.path)" }))
        let served = routes.filter { $0.method != .head }.map { route in
            // A name with slashes, which the specification has no word for.
            "\(route.method.rawValue) \(route.path)".replacing("/console/**", with: "/console/{path}")
                .replacing("/**", with: "/{model}")
        }
        #expect(Set(served) == Set(described))
        #expect(Set(described).count == described.count && !served.isEmpty)
    }

    @Test("the document is served as it is, and its absence is a 404")
    func served() async throws {
        var fixture = Fixture()
        #expect(try await RouterClient(fixture.services).send(.get, "/openapi.json").status == .notFound)
        let document = Array(try Data(contentsOf: Self.file))
        fixture.services.openAPIDocument = document
        let answer = try await RouterClient(fixture.services).send(.get, "/openapi.json")
        #expect(answer.status == .ok && Array(answer.body.readableBytesView) == document)
    }

    @Test("LiteLLM's path for liveness answers in both of its spellings", arguments: ["liveliness", "liveness"])
    func liveness(spelling: String) async throws {
        let answer = try await RouterClient(Fixture().services).send(.get, "/health/\(spelling)")
        #expect(answer.status == .ok && String(buffer: answer.body) == "\"I'm alive!\"")
    }

    @Test("administration's paths are shut where no key for them is configured, and to the keys of tenants")
    func shut() async throws {
        let fixture = Fixture()
        for (path, operations) in try Self.paths() {
            for (method, operation) in operations {
                let security = (operation as? [String: Any])?["security"] as? [[String: Any]]
                let isAdministrators = security?.map { $0.keys.sorted() } == [["adminKey"]]
                #expect(isAdministrators || !path.hasPrefix("/admin/"), "\(path)")
                guard isAdministrators else { continue }
                let asked = path.replacing(/\{[a-z_]+\}/, with: "1")
                for headers in [[:], DirectAnswerTests.headers] as [HTTPFields] {
                    let answer = try await RouterClient(fixture.services).send(
                        try #require(HTTPRequest.Method(method.uppercased())), asked, headers: headers,
                        body: method == "get" ? nil : "{}")
                    #expect(answer.status == .unauthorized, "\(method) \(path)")
                }
            }
        }
    }

    /// The schema of a header, wherever it is described.
    private static func schemas(of header: String) throws -> [[String: Any]] {
        try paths().values.flatMap(\.values).flatMap { operation in
            ((operation as? [String: Any])?["parameters"] as? [[String: Any]] ?? [])
                .filter { $0["name"] as? String == header }.compactMap { $0["schema"] as? [String: Any] }
        }
    }

    @Test("what a request may say by header is described as the code takes it")
    func headers() throws {
        let strategies = try Self.schemas(of: "x-gboost-strategy")
        #expect(strategies.count == 2)
        for schema in strategies {
            #expect(schema["enum"] as? [String] == StrategyKind.allCases.map(\.rawValue))
        }
        let keys = try Self.schemas(of: "idempotency-key")
        #expect(keys.count == 5)
        for schema in keys {
            #expect(schema["maxLength"] as? Int == IdempotencyKeys.maxKeyBytes && schema["minLength"] as? Int == 1)
            #expect(schema["pattern"] == nil)
        }
    }

    @Test("statuses that can be sent are named: a slow body's, a provider's own for a bad request, a defect's")
    func statuses() throws {
        for (path, operations) in try Self.paths() {
            for operation in operations.values.compactMap({ $0 as? [String: Any] }) {
                let named = Set((operation["responses"] as? [String: Any] ?? [:]).keys)
                if operation["requestBody"] != nil { #expect(named.contains("408"), "\(path)") }
                guard path.hasPrefix("/v1/") else { continue }
                #expect(named.contains("500"), "\(path)")
                guard operation["requestBody"] != nil else { continue }
                #expect(named.isSuperset(of: ["400", "403", "404", "413", "415", "422", "502", "504"]), "\(path)")
            }
        }
    }

    @Test("a path that leads to another's endpoint is described with as many parameters and all statuses")
    func twins() throws {
        let paths = try Self.paths()
        let deployment = "/openai/deployments/{model}"
        var checked = 0
        for (path, operations) in paths {
            let isDeployment = path.hasPrefix(deployment)
            let twin = "/v1" + (isDeployment ? String(path.dropFirst(deployment.count)) : path)
            guard let others = paths[twin] else {
                #expect(!isDeployment, "\(path)")
                continue
            }
            for (method, operation) in operations {
                let own = try #require(operation as? [String: Any])
                let other = try #require(others[method] as? [String: Any], "\(method) \(twin)")
                let counts = [own, other].map { ($0["parameters"] as? [Any] ?? []).count }
                // The model, and the version of Azure's interface.
                #expect(counts[0] == counts[1] + (isDeployment ? 2 : 0), "\(path)")
                let statuses = [own, other].map { Set(($0["responses"] as? [String: Any] ?? [:]).keys) }
                #expect(statuses[0] == statuses[1] && !statuses[0].isEmpty, "\(path)")
                checked += 1
            }
        }
        // Six of OpenAI's without /v1, three of a deployment's, and LiteLLM's for models.
        #expect(checked == 10)
    }

    @Test("the process says as JSON that it lives")
    func live() async throws {
        let answer = try await RouterClient(Fixture().services).send(.get, "/health/live")
        #expect(String(buffer: answer.body) == #"{"status":"live"}"#)
        let operation = try Self.paths()["/health/live"]?["get"] as? [String: Any]
        let responses = operation?["responses"] as? [String: [String: Any]]
        #expect((responses?["200"]?["content"] as? [String: Any])?["application/json"] != nil)
    }
}
