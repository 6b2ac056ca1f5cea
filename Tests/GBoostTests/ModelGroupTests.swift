import GatewayCore
import Testing

@testable import gboost

@Suite("Model groups in the configuration")
struct ModelGroupTests {
    private static func load(_ group: String) throws(ConfigurationError) -> GatewayConfiguration {
        try ConfigurationTests.load(
            """
            database: { url: "postgresql://app@db/gboost" }
            providers:
              - { name: sim, kind: openai, total_seconds: 30, probe_seconds: 2 }
              - { name: other, kind: compatible, base_url: "http://127.0.0.1:1/v1" }
            model_groups:
              - { name: large, model: sim/large, \(group) }
            """)
    }

    @Test("deployments with their weights, how they are balanced, and what comes after them")
    func read() throws {
        let configuration = try Self.load(
            #"deployments: "sim/large, other/org/big", weights: "3, 1", balance: weighted, fallbacks: "other/small""#)
        let model = try #require(ModelReference("sim/large"))
        let group = try #require(configuration.modelGroups[model])
        #expect(group.deployments.map { "\($0.model) \($0.weight)" } == ["sim/large 3", "other/org/big 1"])
        #expect(group.balance == .weighted && group.fallbacks.map(\.description) == ["other/small"])
        #expect(configuration.providers[0].totalSeconds == 30 && configuration.providers[0].probeSeconds == 2)
        #expect(configuration.providers[1].totalSeconds == 900 && configuration.providers[1].probeSeconds == 0)
        let described = configuration.describe()
        #expect(described.contains("model_groups:\n  - name: large\n    model: sim/large"))
        // What is shown can be read again.
        #expect(try ConfigurationTests.load(described).groups == configuration.groups)
    }

    @Test("a mirror, and how many of a hundred requests are copied to it")
    func mirror() throws {
        let configuration = try Self.load("mirror: other/small, mirror_percent: 5")
        let mirror = try #require(configuration.groups.first?.group.mirror)
        #expect(mirror.model.description == "other/small" && mirror.share == 0.05)
        #expect(try ConfigurationTests.load(configuration.describe()).groups == configuration.groups)
    }

    @Test("silence means: the model alone, in order")
    func defaults() throws {
        let configuration = try Self.load("fallbacks: other/small")
        let group = try #require(configuration.groups.first?.group)
        #expect(group.deployments.map(\.model.description) == ["sim/large"] && group.balance == .ordered)
        #expect(group.mirror == nil)
    }

    @Test(
        "what cannot be meant is refused, with the field",
        arguments: [
            ("deployments: other/big", "deployments", "must hold"), ("fallbacks: nobody/x", "fallbacks", "no provider"),
            ("fallbacks: other", "fallbacks", "form"), ("fallbacks: sim/large", "deployments", "twice"),
            (#"weights: "1, 2""#, "weights", "2 weights"), ("weights: \"0\"", "weights", "above 0"),
            ("mirror: other/small", "mirror_percent", "how many"), ("mirror_percent: 5", "mirror", "is missing"),
            ("mirror: sim/large, mirror_percent: 5", "mirror", "same group"),
            ("mirror: other/small, mirror_percent: 101", "mirror_percent", "not within"),
            ("balance: fastest", "balance", "not one of"), ("weight: 1", "weight", "no such key"),
        ])
    func refused(text: String, field: String, words: String) throws {
        let error = try #require(throws: ConfigurationError.self) { _ = try Self.load(text) }
        #expect(error.field == "model_groups.large.\(field)" && error.message.contains(words), "\(error)")
    }
}
