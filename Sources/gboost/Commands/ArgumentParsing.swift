internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// The values of options, from text. Each throws a usage failure that names the option.
enum ArgumentParsing {
    /// A dollar amount of zero or more, exact to the nano-dollar.
    static func usd(_ text: String, option: String) throws(CommandFailure) -> NanoUSD {
        guard let amount = NanoUSD(usd: text), amount >= .zero else {
            throw .usage(option, "'\(text)' is not a dollar amount such as 20 or 0.75 (nine decimals at most)")
        }
        return amount
    }

    /// "openai/gpt-x": the provider as configured, and its own name of the model.
    static func modelReference(_ text: String, option: String) throws(CommandFailure) -> ModelReference {
        guard let reference = ModelReference(text) else {
            throw .usage(option, "'\(text)' is not of the form PROVIDER/MODEL")
        }
        return reference
    }

    /// A day ("2026-12-01": its first moment in UTC) or an instant ("2026-12-01T08:00:00Z").
    static func instant(_ text: String, option: String) throws(CommandFailure) -> Date {
        if let date = AdminInstant.date(text) { return date }
        throw .usage(option, "'\(text)' is neither a day (2026-12-01) nor an instant (2026-12-01T08:00:00Z)")
    }

    /// "2026-11".
    static func month(_ text: String, option: String) throws(CommandFailure) -> String {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 4, parts[1].utf8.count == 2,
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let month = Int(parts[1]), (1...12).contains(month)
        else { throw .usage(option, "'\(text)' is not a month such as 2026-11") }
        return text
    }

    /// The month that a moment falls in, in a tenant's time zone.
    static func month(of date: Date, timeZone: String) -> String {
        var calendar = Calendar(identifier: .gregorian)
        if let zone = TimeZone(identifier: timeZone) { calendar.timeZone = zone }
        let parts = calendar.dateComponents([.year, .month], from: date)
        let month = parts.month ?? 1
        return "\(parts.year ?? 0)-\(month < 10 ? "0" : "")\(month)"
    }

    static func timeZone(_ text: String, option: String) throws(CommandFailure) -> String {
        guard TimeZone(identifier: text) != nil else {
            throw .usage(option, "'\(text)' is not a time zone such as Europe/Berlin")
        }
        return text
    }

    /// "50,80,95": percentages of the limit, rising.
    static func thresholds(_ text: String, option: String) throws(CommandFailure) -> [Int] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let values = parts.compactMap { Int($0) }
        guard values.count == parts.count, values.allSatisfy({ (1...100).contains($0) }),
            zip(values, values.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .usage(option, "'\(text)' is not a rising list of percentages such as 50,80,95") }
        return values
    }

    /// What a period passes on: a dollar amount, or "none".
    static func rollover(_ text: String, option: String) throws(CommandFailure) -> BudgetRollover {
        text == "none" ? .none : .upTo(try usd(text, option: option))
    }

    /// Where steps end: "newline", "blank-line" or "pattern:REGEX", which is tried.
    static func boundary(_ text: String, option: String) throws(CommandFailure) -> StepBoundary {
        switch text {
        case "newline": return .newline
        case "blank-line": return .blankLine
        default:
            guard text.hasPrefix("pattern:"), text.utf8.count > 8 else {
                throw .usage(option, "'\(text)' is not one of: newline, blank-line, pattern:REGEX")
            }
            let boundary = StepBoundary.pattern(String(text.dropFirst("pattern:".count)))
            if let problem = boundary.problem { throw .usage(option, problem) }
            return boundary
        }
    }
}
