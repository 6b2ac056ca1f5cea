internal import Foundation
internal import Router

/// Makes a replay's requests of recorded texts: the SLM reads its drafts, a reward head scores every step of them, and
/// what can be told beforehand of the LLM's cost and of its chance is worked out, each for problems it never saw.
struct TextReplay {
    let reading: ReadingOptions
    /// Path of a reward head that has not seen the file; nil: trained on the file itself, by cross-validation.
    var head: String?
    /// Whether the SLM's file is known. Where the text alone counts and no head is given, it need not be.
    var hasModel = true
    var folds = 10
    var seed: UInt64 = 1

    /// Whether a file holds texts rather than arms or rewards.
    static func isMeant(by path: String) -> Bool {
        struct Form: Decodable { var question: String }
        guard let file = FileHandle(forReadingAtPath: path) else { return false }
        defer { try? file.close() }
        let start = (try? file.read(upToCount: 1 << 20)) ?? nil
        guard let line = start.flatMap({ JSONLines.split($0).first?.line }) else { return false }
        return (try? JSONDecoder().decode(Form.self, from: line)) != nil
    }

    func requests() async throws -> [ReplayRequest] {
        let dataset = try await AnswerDataset.load(reading, hasModel: hasModel)
        let scoring = AnswerScoring(dataset: dataset, head: head, folds: folds, seed: seed)
        let signals = TextSignals(dataset: dataset, scores: try scoring.scores(), folds: folds, seed: seed)
        return try signals.lines().map { line in
            var request = ReplayRequest(
                id: line.id, cluster: line.cluster,
                slm: .init(quality: line.slm.quality, cost: Self.nano(line.slm.costUsd)),
                llm: .init(quality: line.llm.quality, cost: Self.nano(line.llm.costUsd)), signal: line.signal)
            request.queryFeatures = line.queryFeatures
            request.expectedCost = Self.nano(line.expectedCostUsd)
            return request
        }
    }

    private static func nano(_ usd: Double) -> Int64 { Int64((min(max(usd, 0), 1e6) * 1e9).rounded(.up)) }
}
