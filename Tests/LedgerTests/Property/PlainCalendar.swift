import Foundation

/// A day of the calendar, as days since 1970-01-01: periods are counted in these, by arithmetic of its own.
struct PlainDay: Hashable, Comparable {
    var number: Int

    static func < (left: PlainDay, right: PlainDay) -> Bool { left.number < right.number }

    private static let utc: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? .gmt
        return calendar
    }()

    init(number: Int) { self.number = number }

    /// The day that clocks in `zone` show at `moment`.
    init(_ moment: Date, _ zone: TimeZone) {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let parts = calendar.dateComponents([.year, .month, .day], from: moment)
        self.init(year: parts.year ?? 0, month: parts.month ?? 0, day: parts.day ?? 0)
    }

    init(year: Int, month: Int, day: Int) {
        let date = Self.utc.date(from: DateComponents(year: year, month: month, day: day)) ?? .distantPast
        number = Int((date.timeIntervalSince1970 / 86_400).rounded(.down))
    }

    var parts: (year: Int, month: Int, day: Int) {
        let date = Date(timeIntervalSince1970: Double(number) * 86_400)
        let parts = Self.utc.dateComponents([.year, .month, .day], from: date)
        return (parts.year ?? 0, parts.month ?? 0, parts.day ?? 0)
    }

    /// 1 (Monday) to 7: 1970-01-01 was a Thursday.
    var weekday: Int { ((number + 3) % 7 + 7) % 7 + 1 }
    var text: String {
        let (year, month, day) = parts
        return "\(year)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
    }
}

/// How a budget's time is cut.
enum PlainCycle: String, Hashable {
    case day, week, month, quarter, total, request, minute

    /// First day of the period that `day` is in.
    func first(of day: PlainDay, weekStart: Int) -> PlainDay {
        let (year, month, _) = day.parts
        switch self {
        case .week: return PlainDay(number: day.number - (day.weekday - weekStart + 7) % 7)
        case .month: return PlainDay(year: year, month: month, day: 1)
        case .quarter: return PlainDay(year: year, month: (month - 1) / 3 * 3 + 1, day: 1)
        default: return day
        }
    }

    /// First day of the period after the one that begins on `day`.
    func next(after day: PlainDay) -> PlainDay {
        let (year, month, _) = day.parts
        switch self {
        case .week: return PlainDay(number: day.number + 7)
        case .month: return PlainDay(year: month == 12 ? year + 1 : year, month: month % 12 + 1, day: 1)
        case .quarter: return PlainDay(year: month > 9 ? year + 1 : year, month: (month + 2) % 12 + 1, day: 1)
        default: return PlainDay(number: day.number + 1)
        }
    }

    /// What a period row's id ends in.
    func suffix(_ first: PlainDay) -> Int64 {
        let (year, month, day) = first.parts
        return Int64(year * 10_000 + month * 100 + (self == .month ? 0 : day))
    }
}
