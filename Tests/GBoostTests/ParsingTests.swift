import ArgumentParser
import Foundation
import GatewayCore
import SimulatedProvider
import Testing

@testable import gboost

@Suite struct ParsingTests {
    @Test("route settings are set by name, each within its range")
    func routeSettings() throws {
        var settings = RouteSettings()
        try RouteSettingsParsing.apply(
            [
                "shadow_price=2", "max_steps=3", "strategy=cascade", "boundary=pattern:\\n+", "value_usd=0.5",
                "escalation_forbidden=true", "max_llm_rest_tokens=99", "shadow_price=2.5",
            ], to: &settings)
        #expect(settings.shadowPrice == 2.5)
        #expect(settings.target == .price, "a λ that is given stays")
        #expect(settings.maxSteps == 3)
        #expect(settings.strategy == .cascade)
        #expect(settings.boundary == .pattern("\\n+"))
        #expect(settings.valueUSD == 0.5)
        #expect(settings.escalationForbidden)
        #expect(settings.maxLLMRestTokens == 99)
    }

    @Test("every setting of a route has a name, so that none is out of reach")
    func settingsAreComplete() {
        let named = Set(RouteSettingsParsing.settings.map { $0.name.replacing("_", with: "") })
        let stored = Set(Mirror(reflecting: RouteSettings()).children.compactMap { $0.label?.lowercased() })
        #expect(named == stored)
    }

    @Test(
        "a wrong setting is a usage error that says what is expected",
        arguments: [
            ("shadow=1", "there is no route setting 'shadow'"), ("max_steps", "not of the form name=value"),
            ("max_steps=0", "a whole number within 1…256"), ("llm_success_prior=1.5", "a number within 0…1"),
            ("value_usd=1000000.5", "a number within 0…1000"), ("value_usd=5000", "a number within 0…1000"),
            ("max_llm_step_tokens=10000", "a whole number within 1…8192"), ("exploration=1", "a number within 0…0.1"),
            ("expected_rest_tokens=200000", "a whole number within 1…131072"),
            ("boundary=pattern:(?P<s>a)", "is no ICU regular expression"),
            ("boundary=pattern:([a-z ]+)+Q", "takes too long to match"), ("boundary=comma", "pattern:REGEX"),
            ("value_usd=inf", "a number within"), ("strategy=forest", "direct, cascade, stepwise, best-of-n, tree"),
        ])
    func wrongSetting(text: String, part: String) {
        var settings = RouteSettings()
        let failure = #expect(throws: CommandFailure.self) {
            try RouteSettingsParsing.apply([text], to: &settings)
        }
        #expect(failure?.status == .usage)
        #expect(failure?.message.contains(part) == true, "\(failure?.message ?? "")")
    }

    @Test("what a setting may be is the same on the command line as in JSON")
    func sameRanges() throws {
        var settings = RouteSettings()
        for (key, path, range) in RouteSettings.integers {
            try RouteSettingsParsing.apply(["\(key.rawValue)=\(range.upperBound)"], to: &settings)
            #expect(settings[keyPath: path] == range.upperBound)
            #expect(throws: CommandFailure.self) {
                try RouteSettingsParsing.apply(["\(key.rawValue)=\(range.upperBound + 1)"], to: &settings)
            }
        }
        for (key, path, range) in RouteSettings.doubles {
            try RouteSettingsParsing.apply(["\(key.rawValue)=\(range.upperBound)"], to: &settings)
            #expect(settings[keyPath: path] == range.upperBound)
            #expect(throws: CommandFailure.self) {
                try RouteSettingsParsing.apply(["\(key.rawValue)=\(range.upperBound * 2)"], to: &settings)
            }
        }
        try settings.validateForSaving()
    }

    @Test("a λ beside a target that does not keep it is refused, whichever comes first")
    func strayShadowPrice() throws {
        for texts in [["shadow_price=3", "target=floor"], ["target=budget", "shadow_price=1"]] {
            var settings = RouteSettings()
            let failure = #expect(throws: CommandFailure.self) {
                try RouteSettingsParsing.apply(texts, to: &settings)
            }
            #expect(failure?.status == .usage)
            #expect(failure?.message.hasPrefix("--set shadow_price: is for the target price only") == true)
        }
        for texts in [["shadow_price=3", "target=price"], ["target=price", "shadow_price=3"]] {
            var settings = RouteSettings()
            try RouteSettingsParsing.apply(texts, to: &settings)
            #expect(settings.target == .price && settings.shadowPrice == 3)
        }
    }

    @Test("an option and a setting that say different things are refused by the option")
    func contradictions() throws {
        let cases = [
            (["--strategy", "tree", "--set", "strategy=cascade"], "--strategy: "),
            (["--boundary", "newline", "--set", "boundary=blank-line"], "--boundary: "),
            (["--boundary", "pattern:(?P<s>a)"], "--boundary: the pattern '(?P<s>a)' is no ICU regular expression"),
        ]
        let common = ["r", "--tenant", "acme", "--llm", "sim/m"]
        for (arguments, message) in cases {
            let command = try RouteCommand.Add.parse(common + arguments)
            let failure = #expect(throws: CommandFailure.self) { try command.wanted() }
            #expect(failure?.status == .usage && failure?.message.hasPrefix(message) == true, "\(arguments)")
        }
        let both = ["--strategy", "tree", "--set", "strategy=tree", "--boundary", "pattern:(?<=[.!?]) "]
        let settings = try RouteCommand.Add.parse(common + both).wanted()
        #expect(settings.strategy == .tree && settings.boundary == .pattern("(?<=[.!?]) "))
        #expect(GBoostCommand.helpMessage(for: RouteCommand.Add.self).contains("NSRegularExpression"))
    }

    @Test("dollar amounts are exact, and never negative")
    func usd() throws {
        #expect(try ArgumentParsing.usd("0.000000001", option: "--limit-usd") == NanoUSD(1))
        #expect(try ArgumentParsing.usd("20", option: "--limit-usd") == NanoUSD(20_000_000_000))
        for text in ["-1", "1e3", "0.0000000001", "", "1.", "99999999999"] {
            #expect(throws: CommandFailure.self) { try ArgumentParsing.usd(text, option: "--limit-usd") }
        }
    }

    @Test("the simulated provider's help names every fault and every wire")
    func simulatedHelp() {
        let help = GBoostCommand.helpMessage(for: SimulateProviderCommand.self)
        for word in SimulatedFault.forms + ["embeddings", "Anthropic's", "generateContent", "Converse", "@MATCH"] {
            #expect(help.contains(word), "\(word)")
        }
    }

    @Test("instants are days or ISO 8601, months are 1 to 12, thresholds rise")
    func others() throws {
        let day = try ArgumentParsing.instant("2026-12-01", option: "--expires")
        #expect(day == Date(timeIntervalSince1970: 1_796_083_200))
        #expect(try ArgumentParsing.instant("2026-12-01T01:00:00+01:00", option: "--expires") == day)
        // The parser of dates reads February the thirtieth as March the second, and does not look at what follows.
        for text in [
            "tomorrow", "2026-02-30", "2026-12-1", "2026-12-01T25:00:00Z", "2026-12-01T08:00:00Zulu", "9999-12-31",
            "10000-01-01", "0000-01-01T00:00:00Z", "2026-12-01T08:00:00",
        ] {
            #expect(throws: CommandFailure.self, "\(text)") {
                try ArgumentParsing.instant(text, option: "--expires")
            }
        }
        #expect(try ArgumentParsing.month("2026-11", option: "--month") == "2026-11")
        for text in ["2026-13", "2026-1", "26-11", "2026", "2026-00", "2026-11-01"] {
            #expect(throws: CommandFailure.self) { try ArgumentParsing.month(text, option: "--month") }
        }
        #expect(try ArgumentParsing.thresholds("50,80,95", option: "--alert-at") == [50, 80, 95])
        for text in ["", "80,50", "0", "101", "50,,80", "50,50"] {
            #expect(throws: CommandFailure.self) { try ArgumentParsing.thresholds(text, option: "--alert-at") }
        }
        #expect(throws: CommandFailure.self) { try ArgumentParsing.timeZone("Mars/Base", option: "--time-zone") }
        #expect(try ArgumentParsing.boundary("blank-line", option: "--boundary") == .blankLine)
    }

    @Test("a moment's month is the tenant's")
    func monthOfTenant() {
        let moment = Date(timeIntervalSince1970: 1_796_083_200 - 1800)  // half an hour before December in UTC
        #expect(ArgumentParsing.month(of: moment, timeZone: "UTC") == "2026-11")
        #expect(ArgumentParsing.month(of: moment, timeZone: "Europe/Berlin") == "2026-12")
    }

    @Test(
        "a wrong command line ends with status 2 and one line",
        arguments: [["nonsense"], ["doctor", "--nope"], ["doctor", "--config"]])
    func usage(arguments: [String]) {
        let error = #expect(throws: (any Error).self) { _ = try CommandRun.parse(arguments) }
        guard let error else { return }
        #expect(CommandRun.outcome(error).status == .usage)
        #expect(!CommandRun.outcome(error).text.isEmpty)
    }

    @Test("help ends with status 0")
    func help() async {
        #expect(await CommandRun.run(["doctor", "--help"]) == .done)
    }
}
