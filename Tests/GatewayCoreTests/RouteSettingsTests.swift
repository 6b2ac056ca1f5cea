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

    @Test(
        "A range is said as people write it",
        arguments: [
            (#"{"value_usd":5000}"#, "5000 is not within 0…1000"), (#"{"max_steps":257}"#, "257 is not within 1…256"),
            (#"{"exploration":0.25}"#, "0.25 is not within 0…0.1"),
        ])
    func ranges(_ json: String, _ message: String) {
        let error = #expect(throws: RouteSettingsError.self) { try Self.decode(json) }
        #expect(error?.message == message)
    }

    @Test(
        "A step pattern may be saved where the matcher that runs it takes it",
        arguments: [
            "(?<=[.!?]) ", #"(?<=[.!?])\s"#, #"\n(?=Step \d+)"#, #"[.!?]\s+"#, #"\n+"#, #"(?s).*?\n\n"#, #"\w+\. "#,
            "[^.]+[.] ",
        ])
    func patterns(_ pattern: String) throws {
        var settings = RouteSettings()
        settings.boundary = .pattern(pattern)
        try settings.validateForSaving()
        _ = try StepSplitter(boundary: settings.boundary, stops: [], maxTokens: 1)
    }

    @Test(
        "A step pattern that the matcher does not take is not saved; a route that has it is read, and to blame itself",
        arguments: [#"(?P<s>\n)"#, #"\u{0A}"#, "(?'n'a)", "("])
    func foreignPatterns(_ pattern: String) throws {
        var settings = RouteSettings()
        settings.boundary = .pattern(pattern)
        let refusal = #expect(throws: RouteSettingsError.self) { try settings.validateForSaving() }
        #expect(refusal?.key == "boundary" && refusal?.message.contains("ICU regular expression") == true)
        let json = try JSONEncoder().encode(settings)
        #expect(try JSONDecoder().decode(RouteSettings.self, from: json) == settings)
        let failure = #expect(throws: LocalModelError.self) {
            try StepSplitter(boundary: settings.boundary, stops: [], maxTokens: 1)
        }
        var reason: String?
        if case .unusablePattern(let why)? = failure { reason = why }
        #expect(reason?.contains(pattern) == true, "\(String(describing: failure))")
    }

    @Test("How long a step pattern may be is one bound, said in one way everywhere", arguments: [0, 256, 257])
    func patternLength(_ length: Int) throws {
        var settings = RouteSettings()
        settings.boundary = .pattern(String(repeating: "a", count: length))
        guard length != 256 else {
            try settings.validateForSaving()
            _ = try StepSplitter(boundary: settings.boundary, stops: [], maxTokens: 1)
            return
        }
        let words = "must have 1 to 256 characters"
        let reading = #expect(throws: RouteSettingsError.self) { try settings.validate() }
        let saving = #expect(throws: RouteSettingsError.self) { try settings.validateForSaving() }
        #expect(reading?.message == "the pattern \(words)" && saving == reading)
        #expect(settings.boundary.problem == reading?.message)
        let failure = #expect(throws: LocalModelError.self) {
            try StepSplitter(boundary: settings.boundary, stops: [], maxTokens: 1)
        }
        guard case .unusablePattern(let why)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(why.hasSuffix(words))
    }

    @Test(
        "A step pattern that takes too long is not saved",
        arguments: ["([a-z ]+)+Q", "[a-z ]+[a-z ]+Q", "(a+)+$", #"(\d+)+x"#, #"(\w+\s?)+!"#, #"(\s+)+x"#])
    func slowPatterns(_ pattern: String) {
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(StepBoundary.pattern(pattern).problem?.hasSuffix("takes too long to match") == true)
        }
        #expect(time < .seconds(5))
    }

    @Test("A λ is saved beside the target price only; the default one, which all routes show, beside any")
    func strayShadowPrice() throws {
        var settings = RouteSettings()
        for target in QualityTarget.allCases {
            (settings.target, settings.shadowPrice) = (target, 1)
            try settings.validateForSaving()
            settings.shadowPrice = 3
            guard target != .price else {
                try settings.validateForSaving()
                continue
            }
            let error = #expect(throws: RouteSettingsError.self) { try settings.validateForSaving() }
            #expect(error?.key == "shadow_price" && error?.message.contains(target.rawValue) == true)
        }
    }
}
