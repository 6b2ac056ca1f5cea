import Foundation
import Testing

@testable import GatewayCore

@Suite("Settings of a route")
struct RouteSettingsTests {
    private static func decode(_ json: String) throws -> RouteSettings {
        try JSONDecoder().decode(RouteSettings.self, from: Data(json.utf8))
    }

    @Test("What is missing takes its default")
    func defaults() throws {
        #expect(try Self.decode("{}") == RouteSettings())
        var expected = RouteSettings()
        expected.maxSteps = 3
        expected.boundary = .blankLine
        expected.strategy = .cascade
        expected.escalationForbidden = true
        expected.valueUSD = 1
        #expect(
            try Self.decode(
                #"{"max_steps":3,"boundary":"blank_line","strategy":"cascade","escalation_forbidden":true,"#
                    + #""value_usd":1}"#
            ) == expected)
    }

    @Test("A λ that was given before there were targets stays where it is, the default one is learned")
    func oldShadowPrice() throws {
        #expect(try Self.decode(#"{"shadow_price":3}"#).target == .price)
        #expect(try Self.decode(#"{"shadow_price":1}"#).target == .budget)
        #expect(try Self.decode(#"{"shadow_price":3,"target":"budget"}"#).target == .budget)
    }

    @Test(
        "All settings survive being written and read",
        arguments: [StepBoundary.newline, .blankLine, .pattern(#"\n(?=Step \d+)"#)])
    func roundTrip(_ boundary: StepBoundary) throws {
        var settings = RouteSettings()
        settings.boundary = boundary
        settings.strategy = .direct
        settings.maxSteps = 256
        settings.shadowPrice = 0.1
        settings.resampleTemperature = 2
        settings.maxLLMRestTokens = 131_072
        settings.escalationForbidden = true
        settings.target = .floor
        settings.qualityFloor = 0.75
        settings.treeWidth = 5
        let json = try JSONEncoder().encode(settings)
        #expect(try JSONDecoder().decode(RouteSettings.self, from: json) == settings)
        let keys = try JSONDecoder().decode([String: Anything].self, from: json).keys
        #expect(Set(keys) == Set(RouteSettings.Key.allCases.map(\.rawValue)))
    }

    private struct Anything: Decodable { init(from decoder: any Decoder) {} }

    @Test(
        "What cannot be used is named",
        arguments: [
            (#"{"max_stepz":1}"#, "max_stepz"), (#"{"maxSteps":1}"#, "maxSteps"), (#"{"max_steps":0}"#, "max_steps"),
            (#"{"max_steps":257}"#, "max_steps"), (#"{"max_steps":"3"}"#, "max_steps"),
            (#"{"max_steps":1.5}"#, "max_steps"), (#"{"max_steps":null}"#, "max_steps"),
            (#"{"resample_temperature":2.1}"#, "resample_temperature"), (#"{"value_usd":-1}"#, "value_usd"),
            (#"{"llm_success_prior":1.01}"#, "llm_success_prior"), (#"{"strategy":"forest"}"#, "strategy"),
            (#"{"target":"cheap"}"#, "target"), (#"{"quality_floor":1.1}"#, "quality_floor"),
            (#"{"tree_nodes":0}"#, "tree_nodes"), (#"{"exploration":0.2}"#, "exploration"),
            (#"{"strategy":1}"#, "strategy"), (#"{"boundary":"comma"}"#, "boundary"), (#"{"boundary":7}"#, "boundary"),
            (#"{"boundary":{"pattern":""}}"#, "boundary"), (#"{"boundary":{"regex":"x"}}"#, "boundary"),
            (#"{"escalation_forbidden":"no"}"#, "escalation_forbidden"),
            (#"{"max_llm_rest_tokens":0}"#, "max_llm_rest_tokens"),
        ])
    func refused(_ json: String, _ key: String) {
        let error = #expect(throws: RouteSettingsError.self) { try Self.decode(json) }
        #expect(error?.key == key)
        #expect(error?.description.hasPrefix(key) == true)
    }

    @Test("Settings made in code are checked too, not-a-number included")
    func validate() {
        #expect(throws: Never.self) { try RouteSettings().validate() }
        var settings = RouteSettings()
        settings.valueUSD = .nan
        #expect(throws: RouteSettingsError.self) { try settings.validate() }
        settings = RouteSettings()
        settings.maxResamples = -1
        #expect(throws: RouteSettingsError.self) { try settings.validate() }
    }
}
