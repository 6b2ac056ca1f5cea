internal import Inference

/// What `gboost prm evaluate --json` prints: the figures of whole answers as plain numbers with their intervals beside
/// them, the same of every depth, and the evaluation as it is.
struct EvaluationDocument: Encodable {
    /// Figures of the steps at one depth. What there is none of is null, so that a reader finds every name.
    struct Figures: Encodable {
        private enum CodingKeys: CodingKey {
            case depth, rows, right, auroc, aurocCi, brier, brierCi, ece, eceCi
        }

        var depth: CalibrationTable.Depth
        var figures: RewardEvaluation.Figures?

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(depth.rawValue, forKey: .depth)
            try container.encode(figures?.rows ?? 0, forKey: .rows)
            try container.encode(figures?.right, forKey: .right)
            try container.encode(figures?.auroc?.value, forKey: .auroc)
            try container.encode(figures?.auroc?.bounds, forKey: .aurocCi)
            try container.encode(figures?.brier.value, forKey: .brier)
            try container.encode(figures?.brier.bounds, forKey: .brierCi)
            try container.encode(figures?.ece.value, forKey: .ece)
            try container.encode(figures?.ece.bounds, forKey: .eceCi)
        }
    }

    private enum CodingKeys: CodingKey {
        case byDepth, depths, reliability
    }

    private let evaluation: RewardEvaluation

    init(_ evaluation: RewardEvaluation) { self.evaluation = evaluation }

    func encode(to encoder: any Encoder) throws {
        try Figures(depth: .whole, figures: evaluation.whole).encode(to: encoder)
        let byDepth = CalibrationTable.Depth.allCases.compactMap { depth in
            evaluation.depths[depth.rawValue].map { Figures(depth: depth, figures: $0) }
        }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(byDepth, forKey: .byDepth)
        try container.encode(evaluation.depths, forKey: .depths)
        try container.encode(evaluation.reliability, forKey: .reliability)
    }
}

extension RewardEvaluation.Interval {
    fileprivate var bounds: [Double] { [low, high] }
}
