internal import Foundation

/// The order in which recorded requests come.
package enum ReplayOrder: String, Hashable, Sendable, Codable, CaseIterable {
    case shuffled, diurnal
    case easyFirst = "easy-first"
    case hardFirst = "hard-first"

    /// Days of a period.
    private static let days = 28.0

    /// Puts rows in order, each with its time.
    func arrange(_ rows: [PreparedRequest], _ random: inout RouterRandom) -> [PreparedRequest] {
        var rows = rows.shuffled(using: &random)
        var times = rows.indices.map { Double($0) / Double(max(rows.count, 1)) }
        switch self {
        case .shuffled: break
        case .easyFirst: Self.sort(&rows) { $0.slmQuality > $1.slmQuality }
        case .hardFirst: Self.sort(&rows) { $0.slmQuality < $1.slmQuality }
        case .diurnal:
            // More requests by day, and harder ones: each hour's share of hard rows follows the hour, with as much
            // chance in it.
            times = Self.dailyTimes(rows.count, &random)
            let hours = times.map { Self.daylight($0) + random.normal() }
            let slots = hours.indices.sorted { hours[$0] < hours[$1] }
            let noise = rows.map { -$0.slmQuality + 0.2 * random.normal() }
            let byDifficulty = rows.indices.sorted { noise[$0] < noise[$1] }
            let given = rows
            for (slot, row) in zip(slots, byDifficulty) { rows[slot] = given[row] }
        }
        for index in rows.indices { rows[index].elapsed = times[index] }
        return rows
    }

    /// Stable, so that ties stay in random order.
    private static func sort(
        _ rows: inout [PreparedRequest], by areInOrder: (PreparedRequest, PreparedRequest) -> Bool
    ) {
        let given = rows
        let order = given.indices.sorted { a, b in
            areInOrder(given[a], given[b]) || !areInOrder(given[b], given[a]) && a < b
        }
        for (place, index) in order.enumerated() { rows[place] = given[index] }
    }

    private static func daylight(_ time: Double) -> Double { sin(2 * .pi * days * time) }

    private static func dailyTimes(_ count: Int, _ random: inout RouterRandom) -> [Double] {
        var times: [Double] = []
        while times.count < count {
            let time = random.unit()
            if random.unit() * 1.8 < 1 + 0.8 * daylight(time) { times.append(time) }
        }
        return times.sorted()
    }
}
