package import Foundation

/// A moment as people write it for administration.
package enum AdminInstant {
    /// The years that the database has moments of, less the last, whose end is in none.
    private static let years = 1970...9998

    /// A day ("2026-12-01": its first moment in UTC) or an instant in ISO 8601 ("2026-12-01T08:00:00Z"). Nil: it is
    /// neither, to the letter. The parser that reads it takes the thirtieth of February for the second of March.
    package static func date(_ text: String) -> Date? {
        let full = text.contains("T") ? text : text + "T00:00:00Z"
        let form = #/([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:Z|[-+][0-9:]+)/#
        guard full.utf8.count <= 40, let match = full.wholeMatch(of: form),
            let year = Int(match.1), let month = Int(match.2), let day = Int(match.3),
            let hour = Int(match.4), let minute = Int(match.5), let second = Int(match.6),
            years.contains(year), hour < 24, minute < 60, second < 60
        else { return nil }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        guard DateComponents(calendar: calendar, year: year, month: month, day: day).isValidDate else { return nil }
        return try? Date(full, strategy: .iso8601)
    }
}
