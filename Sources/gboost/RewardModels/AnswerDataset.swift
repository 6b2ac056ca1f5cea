internal import Foundation
internal import Inference
internal import Ledger

/// Labelled answers as rows that a reward head can learn from.
struct AnswerDataset {
    /// How much an answer of another model counts beside the SLM's own.
    static let extraWeight: Float = 0.1

    /// The lines of the data files.
    private(set) var requests: [LabelledRow] = []
    private(set) var rows: [AnswerRow] = []
    /// Row of the last step of each request's own answer; nil where it has no label.
    private(set) var ends: [Int?] = []
    /// Rows of the steps of each request's own answer.
    private(set) var steps: [Range<Int>] = []
    /// What the SLM makes of each request's question alone; empty where it read nothing.
    private(set) var questionStates: [[Float]] = []
    private(set) var modelSHA256 = ""
    private(set) var embeddingLength = 1
    private var groups: [String: Int] = [:]

    /// Reads the files, has the SLM read what it has not read before, and makes rows of it.
    ///
    /// - Parameter hasModel: without its file no head can be told to be the SLM's; only texts can do without.
    static func load(_ options: ReadingOptions, hasModel: Bool = true) async throws -> AnswerDataset {
        guard !options.data.isEmpty else { throw LabelledRowFailure("no --data") }
        var dataset = AnswerDataset()
        if hasModel { dataset.modelSHA256 = try await options.model.identity() }
        for path in options.data { dataset.requests += try LabelledRow.read(path) }
        try dataset.check(options.data)
        var cache: ReadingCache?
        if !options.textOnly {
            let opened = try await ReadingCache.opened(directory: options.cache, modelSHA256: dataset.modelSHA256)
            cache = opened
            _ = try await AnswerReadings(model: options.model, cache: opened).read(
                dataset.requests.map { .init(messages: $0.messages, steps: $0.slm.lines) })
        }
        let others = try options.extra.flatMap(LabelledRow.read)
        for (index, request) in dataset.requests.enumerated() {
            try dataset.add(request, cache: cache)
            CommandOutput.progress("preparing answers", index + 1, of: dataset.requests.count)
        }
        for other in others {
            let llm = other.llm.map { [$0] } ?? []
            dataset.add(others: [other.slm] + llm + other.alternatives, to: other.wholeQuestion)
        }
        return dataset
    }

    /// Asked before a model reads for hours what nothing can be learned from.
    private func check(_ paths: [String]) throws {
        let files = paths.joined(separator: ", ")
        guard !requests.isEmpty else {
            throw LabelledRowFailure("\(files) \(paths.count == 1 ? "has" : "have") no rows")
        }
        guard requests.contains(where: { $0.slm.labels.contains { $0 != nil } }) else {
            throw LabelledRowFailure(
                "\(files): no row says whether its answer is right (`slm.correct`); `gboost prm label` adds it")
        }
    }

    private mutating func group(_ question: String) -> Int {
        let group = groups[question] ?? groups.count
        groups[question] = group
        return group
    }

    private mutating func add(_ request: LabelledRow, cache: ReadingCache?) throws {
        let lines = request.slm.lines
        let reading = try cache?.reading(AnswerReadings.Wanted(messages: request.messages, steps: lines).key)
        if let reading { embeddingLength = reading.question.count }
        questionStates.append(reading?.question ?? [])
        let from = rows.count
        let template = AnswerRow(text: [], label: 0, group: group(request.wholeQuestion), step: 0, isEnd: false)
        rows += AnswerRow.rows(
            question: AnswerFeatures(question: request.wholeQuestion), steps: request.slm.steps,
            labels: request.slm.labels, reading: reading, as: template)
        steps.append(from..<rows.count)
        ends.append(rows.count > from && rows.last?.isEnd == true ? rows.count - 1 : nil)
        add(others: request.alternatives, to: request.wholeQuestion)
    }

    private mutating func add(others: [LabelledAnswer], to question: String) {
        guard !others.isEmpty else { return }
        let features = AnswerFeatures(question: question)
        let template = AnswerRow(
            text: [], label: 0, weight: Self.extraWeight, group: group(question), isOwn: false, step: 0, isEnd: false)
        for answer in others where !answer.steps.isEmpty {
            rows += AnswerRow.rows(
                question: features, steps: answer.steps, labels: answer.labels, reading: nil, as: template)
        }
    }

    /// Scores and labels of whole answers of the SLM's own.
    func whole(_ scores: [Double]) -> (scores: [Double], labels: [Double]) {
        let places = ends.compactMap { $0 }
        return (places.map { scores[$0] }, places.map { rows[$0].label })
    }

    /// The SLM's own rows with their scores and their problems, for calibration and figures by depth.
    func samples(_ scores: [Double]) -> (samples: [CalibrationTable.Sample], groups: [Int]) {
        var result: (samples: [CalibrationTable.Sample], groups: [Int]) = ([], [])
        for (request, range) in zip(requests, steps) {
            for index in range where rows[index].isOwn {
                result.samples.append(
                    CalibrationTable.Sample(
                        raw: scores[index], label: rows[index].label, cluster: request.cluster ?? "",
                        depth: .init(step: rows[index].step, isEnd: rows[index].isEnd)))
                result.groups.append(rows[index].group)
            }
        }
        return result
    }
}
