import Foundation
import Testing

@testable import Inference
@testable import gboost

/// `gboost prm calibrate` on heads that were calibrated before: what it cannot say it must not erase.
@Suite("Calibrating a head again") struct PRMCalibrateTests {
    private typealias Place = RewardCommandTests.Place

    /// Trains a head on the text of `data.jsonl` and gives it old entries; the arguments that go with it.
    private static func train(_ place: Place) async throws -> [String] {
        let common = [
            "--slm", place.path("model.gguf"), "--data", place.path("data.jsonl"), "--text-only", "--cache",
            place.path("cache"),
        ]
        let trained = await place.run(["prm", "train"] + common + ["--folds", "2", "--out", place.path("a.head")])
        #expect(trained.status == 0, "\(trained.errors)")
        var head = try Self.head(place)
        head.calibration = CalibrationTable()
        head.calibration.entries = [
            .init(cluster: "algebra", depth: .late, knots: [[0.2, 0.1, 0.1], [0.8, 0.5, 0.4]], rows: 300),
            .init(cluster: nil, depth: .whole, knots: [[0.5, 0.5, 0.4]], rows: 500),
        ]
        try head.encoded().write(to: URL(filePath: place.path("a.head")))
        return common
    }

    private static func head(_ place: Place) throws -> AnswerHead {
        try AnswerHead(data: Data(contentsOf: URL(filePath: place.path("a.head"))))
    }

    /// One test: to train a head takes seconds of a debug build.
    @Test("with too few rows the command fails and the head keeps its calibration; with more, what they lack is kept")
    func again() async throws {
        try await RewardCommandTests.with { place in
            let common = try await Self.train(place)
            try await Self.tooFew(place, common)
            try await Self.kept(place, common)
        }
    }

    private static func tooFew(_ place: Place, _ common: [String]) async throws {
        let before = try Data(contentsOf: URL(filePath: place.path("a.head")))
        // In place, where the old calibration would be lost for good.
        let outcome = await place.run(
            ["prm", "calibrate"] + common + ["--head", place.path("a.head"), "--out", place.path("a.head")])
        #expect(outcome.status != 0)
        #expect(outcome.errors.contains("too few labelled steps"), "\(outcome.errors)")
        #expect(outcome.errors.contains("whole 60"), "\(outcome.errors)")
        #expect(try Data(contentsOf: URL(filePath: place.path("a.head"))) == before)
    }

    private static func kept(_ place: Place, _ common: [String]) async throws {
        // The same answers twice are enough for two depths.
        let outcome = await place.run(
            ["prm", "calibrate"] + common
                + ["--data", place.path("data.jsonl"), "--head", place.path("a.head")]
                + ["--out", place.path("a.head"), "--quantile", "0.2"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("kept: algebra late (300 steps)"), "\(outcome.output)")
        let table = try Self.head(place).calibration
        let whole = table.entries.filter { $0.depth == .whole }
        #expect(whole.map(\.rows) == [120] && whole.first?.knots != [[0.5, 0.5, 0.4]])
        let late = try #require(table.entries.first { $0.cluster == "algebra" })
        #expect(late.knots == [[0.2, 0.1, 0.1], [0.8, 0.5, 0.4]] && late.rows == 300)
        // Its low values are still of the old quantile, and say so.
        #expect(table.lowQuantile == 0.2 && late.lowQuantile == 0.1)
    }
}
