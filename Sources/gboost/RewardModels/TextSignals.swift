internal import Foundation
internal import Inference

/// Answers with their process rewards, in the form that `gboost replay` takes: what the router could have known of each
/// request, and what each model made of it.
///
/// Nothing of a row is known to what scores it. Without a head file, rewards, expected costs and clusters of a problem
/// come from models that were fitted to other problems.
struct TextSignals {
    /// One line of the file.
    struct Line: Codable, Hashable {
        struct Arm: Codable, Hashable {
            var quality: Double
            var costUsd: Double
        }
        var id: String
        var cluster: String
        var slm: Arm
        var llm: Arm
        /// The chance that the answer ends right, after each step of the SLM's draft.
        var signal: [Double]
        /// Of the question alone.
        var queryFeatures: [Double]
        var expectedCostUsd: Double
    }

    /// Requests are put into as many clusters, by the LLM's chance to answer right as it can be told beforehand.
    static let clusters = 4
    /// Directions of the question's hidden states that a query-only router sees, beside what the text says.
    static let directions = 16
    private static let costPenalty = 150.0
    private static let qualityPenalty = 0.4

    let dataset: AnswerDataset
    /// Chances by row of the dataset.
    let scores: [Double]
    let folds: Int
    let seed: UInt64

    /// - Throws: `LabelledRowFailure` where a request lacks what a replay needs.
    func lines() throws -> [Line] {
        let requests = dataset.requests
        for (index, request) in requests.enumerated() {
            guard let llm = request.llm, llm.correct != nil, let cost = llm.costUSD, cost >= 0 else {
                throw LabelledRowFailure(
                    "request \(index + 1): field \"llm\" needs \"correct\" and \"cost_usd\" for a replay")
            }
            guard request.slm.correct != nil else {
                throw LabelledRowFailure("request \(index + 1): field \"slm\" needs \"correct\" for a replay")
            }
        }
        let features = known()
        let assignment = folded()
        let costs = requests.map { log(max(1e-9, $0.llm?.costUSD ?? 0)) }
        let expected = RidgeRegression.outOfFold(
            features, costs, folds: assignment, penalty: Self.costPenalty)
        let quality = RidgeRegression.outOfFold(
            features, requests.map { $0.llm?.correct == true ? 1 : 0 }, folds: assignment,
            penalty: Self.qualityPenalty * Double(requests.count))
        let names = clusterNames(quality)
        let query = queryFeatures()
        return requests.indices.map { index in
            let request = requests[index]
            return Line(
                id: request.id.isEmpty ? "\(index + 1)" : request.id,
                cluster: request.cluster ?? names[index],
                slm: .init(quality: request.slm.correct == true ? 1 : 0, costUsd: request.slm.costUSD ?? 0),
                llm: .init(quality: request.llm?.correct == true ? 1 : 0, costUsd: request.llm?.costUSD ?? 0),
                signal: dataset.steps[index].map { Self.rounded(scores[$0]) },
                queryFeatures: query[index].map(Self.rounded), expectedCostUsd: exp(expected[index]))
        }
    }

    /// What can be told before the LLM is asked: the numbers of the question and of the SLM's whole draft.
    private func known() -> [[Double]] {
        dataset.requests.indices.map { index in
            let request = dataset.requests[index]
            let question = AnswerFeatures(question: request.question)
            return question.values(request.slm.steps, isEnd: true)
                + [log(Double(request.llm?.inputTokens ?? request.question.utf8.count / 4) + 1)]
        }
    }

    private func folded() -> [Int] {
        // Problems of one text stay together.
        var order: [String: Int] = [:]
        for request in dataset.requests where order[request.question] == nil { order[request.question] = order.count }
        var random = SplitMix(state: seed &+ 17)
        let places = Array(0..<order.count).shuffled(using: &random)
        return dataset.requests.map { places[order[$0.question] ?? 0] % max(2, folds) }
    }

    private func clusterNames(_ quality: [Double]) -> [String] {
        let sorted = quality.sorted()
        let bounds = (1..<Self.clusters).map { sorted[$0 * sorted.count / Self.clusters] }
        return quality.map { value in "llm-\(bounds.count { value >= $0 } + 1)" }
    }

    /// The question's text in numbers, and its hidden state along the directions in which questions differ most.
    private func queryFeatures() -> [[Double]] {
        let texts = dataset.requests.map { AnswerFeatures(question: $0.question).questionValues }
        let width = dataset.questionStates.first?.count ?? 0
        guard width > 0, dataset.questionStates.allSatisfy({ $0.count == width }) else { return texts }
        let components = PrincipalComponents(
            dataset.questionStates, count: min(Self.directions, dataset.questionStates.count), seed: seed)
        return zip(texts, dataset.questionStates).map { $0 + components.project($1) }
    }

    private static func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
}
