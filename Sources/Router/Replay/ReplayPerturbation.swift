/// What goes wrong in a replay that nobody told the controller about.
package enum ReplayPerturbation: String, Hashable, Sendable, Codable, CaseIterable {
    case none
    /// From the middle on every LLM answer costs ten times as much.
    case price10 = "price-x10"
    /// From the middle on the LLM's answers are worth three quarters of what they were.
    case degraded = "llm-degraded"
    /// λ starts three times too high, or at a third.
    case lambda3 = "lambda-x3"
    case lambdaThird = "lambda-/3"
    /// Three times as many requests come as were forecast, or a third of them; the budget is the forecast's.
    case volume3 = "volume-x3"
    case volumeThird = "volume-/3"
    /// The calibration set lacks seven in ten of the easier half, or of the harder one.
    case hardCalibration = "calibration-hard"
    case easyCalibration = "calibration-easy"

    /// What λ0 is multiplied by.
    var initialPriceFactor: Double {
        switch self {
        case .lambda3: 3
        case .lambdaThird: 1 / 3
        default: 1
        }
    }

    /// Whether something changes midway, so that recovery can be measured.
    var isSudden: Bool { self == .price10 || self == .degraded }

    /// The rows that come, in place of those that were forecast.
    func volume(_ rows: [PreparedRequest], _ random: inout RouterRandom) -> [PreparedRequest] {
        switch self {
        case .volume3: return rows + rows + rows
        case .volumeThird: return Array(rows.shuffled(using: &random).prefix(max(rows.count / 3, 1)))
        default: return rows
        }
    }

    /// The rows that are fitted on, in place of a fair sample.
    func calibration(_ rows: [ReplayRequest], _ random: inout RouterRandom) -> [ReplayRequest] {
        guard self == .hardCalibration || self == .easyCalibration else { return rows }
        let sorted = rows.sorted { $0.slm.quality < $1.slm.quality }
        let middle = sorted.count / 2
        return sorted.enumerated().filter { index, _ in
            let isKept = random.unit() < 0.3
            return isKept || (index < middle) == (self == .hardCalibration)
        }.map(\.element)
    }

    /// Changes the rows from the middle on.
    func strike(_ rows: inout [PreparedRequest]) {
        for index in rows.count / 2..<rows.count {
            switch self {
            case .price10:
                rows[index].cost *= 10
                rows[index].hold *= 10
                rows[index].trueCost *= 10
            case .degraded:
                let kept = 0.75
                rows[index].trueGain = (rows[index].gain + rows[index].p) * kept - rows[index].p
                rows[index].llmQuality *= kept
                rows[index].llmSignal = rows[index].llmSignal.map { $0 * kept }
            default: return
            }
        }
    }
}
