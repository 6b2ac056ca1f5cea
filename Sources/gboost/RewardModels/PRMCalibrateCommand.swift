internal import ArgumentParser
internal import Foundation
internal import Inference

/// `gboost prm calibrate`: makes probabilities of a head's rewards.
struct PRMCalibrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract:
            "Maps a head's rewards to probabilities, by task cluster and depth, on labelled answers it has not seen.",
        discussion: """
            Isotonic regression in every bucket of at least \(CalibrationTable.leastRows) rows; smaller ones take the \
            one of all clusters. Beside the probability each bucket gets a low quantile, for accepting steps by. What \
            the head knows of buckets that get none here stays as it is.
            """)

    @OptionGroup var reading: ReadingOptions
    @Option(help: "Reward head to calibrate.") var head: String
    @Option(help: "File for the calibrated head; may be the same.") var out: String
    @Option(help: "The low quantile, 0 to 0.5.") var quantile = 0.1
    @Option(help: "Seed of the samples that the quantile is drawn from.") var seed: UInt64 = 1
    @Flag(help: "Print one JSON document.") var json = false

    func validate() throws {
        guard !reading.data.isEmpty else { throw ValidationError("give --data") }
        guard (0...0.5).contains(quantile) else { throw ValidationError("--quantile must be 0 to 0.5") }
    }

    /// What was done.
    struct Report: Codable {
        var steps: Int
        var buckets: [Bucket]
        /// Those that the data say too little of, as the head had them.
        var kept: [Bucket] = []
        struct Bucket: Codable {
            var cluster: String?
            var depth: String
            var rows: Int
            var knots: Int
        }
    }

    func run() async throws {
        try OutputFile.check(out)
        let dataset = try await AnswerDataset.load(reading)
        let scores = try AnswerScoring(dataset: dataset, head: head, folds: 2, seed: seed).scores()
        let samples = dataset.samples(scores).samples
        guard samples.contains(where: { $0.label > 0.5 }), samples.contains(where: { $0.label <= 0.5 }) else {
            throw LabelledRowFailure("labels are all alike: nothing to calibrate by")
        }
        var report = Report(steps: samples.count, buckets: [])
        let data: Data
        switch try RewardHeadFile(contentsOf: head) {
        case .answer(var head):
            let fitted = CalibrationTable.fit(samples, lowQuantile: quantile, seed: seed)
            guard !fitted.entries.isEmpty else { throw Self.tooFew(samples) }
            head.calibration = fitted.keeping(head.calibration)
            let buckets = head.calibration.entries.map(Report.Bucket.init(entry:))
            report.buckets = Array(buckets.prefix(fitted.entries.count))
            report.kept = Array(buckets.dropFirst(fitted.entries.count))
            data = try head.encoded()
        case .state(var head):
            head.calibration = Calibration.fit(scores: samples.map(\.raw), labels: samples.map(\.label))
            report.buckets = [
                .init(cluster: nil, depth: "all", rows: samples.count, knots: head.calibration.knots.count)
            ]
            data = try head.encoded()
        }
        try OutputFile.write(data, to: out)
        if json { return try CommandOutput.print(json: report) }
        let kept = report.kept.isEmpty ? "" : "; kept: \(Self.text(report.kept))"
        CommandOutput.print("\(report.steps) steps, calibrated: \(Self.text(report.buckets))\(kept)\n")
    }

    private static func text(_ buckets: [Report.Bucket]) -> String {
        buckets.map { "\($0.cluster ?? "all clusters") \($0.depth) (\($0.rows) steps)" }.joined(separator: ", ")
    }

    private static func tooFew(_ samples: [CalibrationTable.Sample]) -> LabelledRowFailure {
        let counts = CalibrationTable.Depth.allCases.map { depth in
            "\(depth.rawValue) \(samples.count { $0.depth == depth })"
        }
        return LabelledRowFailure(
            "too few labelled steps to calibrate by: no depth has \(CalibrationTable.leastRows) of them "
                + "(\(counts.joined(separator: ", "))); nothing was written")
    }
}

extension PRMCalibrateCommand.Report.Bucket {
    init(entry: CalibrationTable.Entry) {
        self.init(cluster: entry.cluster, depth: entry.depth.rawValue, rows: entry.rows, knots: entry.knots.count)
    }
}
