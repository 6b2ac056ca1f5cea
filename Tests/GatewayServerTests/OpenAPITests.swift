import Foundation
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
        let served = GatewayApplication.router(Fixture().services).routes.map { "\($0.method.rawValue) \($0.path)" }
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

    @Test("administration's paths are shut where no key for them is configured, and to the keys of tenants")
    func shut() async throws {
        let fixture = Fixture()
        for (path, operations) in try Self.paths() {
            guard let post = operations["post"] as? [String: Any],
                (post["tags"] as? [String])?.contains("LiteLLM") == true
            else { continue }
            for headers in [[:], DirectAnswerTests.headers] as [HTTPFields] {
                let answer = try await RouterClient(fixture.services).send(.post, path, headers: headers, body: "{}")
                #expect(answer.status == .unauthorized, "\(path)")
            }
        }
    }
}
