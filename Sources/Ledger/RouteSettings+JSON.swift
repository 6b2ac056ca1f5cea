internal import Foundation
package import GatewayCore

extension RouteSettings {
    /// Reads settings that name only what differs from the defaults. An unknown name or a value of the wrong kind is
    /// an error that names it, since a misspelt limit would silently not be one.
    package init(json text: String) throws(LedgerError) {
        let given = try Self.object(text)
        var merged = try Self.object(try Self.encoded(RouteSettings()))
        for (name, value) in given {
            guard merged[name] != nil else {
                throw LedgerError(.invalid, field: "settings.\(name)", "there is no such setting")
            }
            merged[name] = value
        }
        do {
            let data = try JSONSerialization.data(withJSONObject: merged)
            self = try JSONDecoder().decode(RouteSettings.self, from: data)
        } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context)
        {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            throw LedgerError(.invalid, field: "settings.\(path)", "has a value of the wrong kind")
        } catch {
            throw LedgerError(.invalid, field: "settings", "cannot be read")
        }
        try validate()
    }

    /// All settings, the defaults included.
    package func jsonText() throws(LedgerError) -> String { try Self.encoded(self) }

    private func validate() throws(LedgerError) {
        let positive = [
            ("maxSteps", maxSteps), ("maxStepTokens", maxStepTokens), ("maxAnswerTokens", maxAnswerTokens),
            ("maxLLMStepTokens", maxLLMStepTokens), ("maxLLMRestTokens", maxLLMRestTokens),
            ("expectedStepTokens", expectedStepTokens), ("expectedRestTokens", expectedRestTokens),
        ]
        for (name, value) in positive where value < 1 {
            throw LedgerError(.invalid, field: "settings.\(name)", "must be at least 1")
        }
        guard maxResamples >= 0 else { throw LedgerError(.invalid, field: "settings.maxResamples", "is negative") }
        let reals = [
            ("resampleTemperature", resampleTemperature), ("valueUSD", valueUSD), ("shadowPrice", shadowPrice),
            ("latencyUSDPerSecond", latencyUSDPerSecond), ("resampleSeconds", resampleSeconds),
            ("llmStepSeconds", llmStepSeconds), ("llmRestSeconds", llmRestSeconds),
        ]
        for (name, value) in reals where !(value >= 0 && value.isFinite) {
            throw LedgerError(.invalid, field: "settings.\(name)", "must be zero or more")
        }
        let shares = [
            ("llmSuccessPrior", llmSuccessPrior), ("stepGainShare", stepGainShare),
            ("resampleGainShare", resampleGainShare),
        ]
        for (name, value) in shares where !(0...1).contains(value) {
            throw LedgerError(.invalid, field: "settings.\(name)", "must lie between 0 and 1")
        }
        if case .pattern(let text) = boundary, (try? Regex(text)) == nil {
            throw LedgerError(.invalid, field: "settings.boundary", "is not a regular expression")
        }
    }

    private static func object(_ text: String) throws(LedgerError) -> [String: Any] {
        guard let value = try? JSONSerialization.jsonObject(with: Data(text.utf8)), let object = value as? [String: Any]
        else { throw LedgerError(.invalid, field: "settings", "is not a JSON object") }
        return object
    }

    private static func encoded(_ settings: RouteSettings) throws(LedgerError) -> String {
        do { return try LedgerJSON.text(settings) } catch {
            throw LedgerError(.invalid, field: "settings", "cannot be written as JSON")
        }
    }
}
