import Foundation
import GatewayCore
import Testing

@testable import Inference

@Suite("Reward heads")
struct RewardTests {
    static let sha = String(repeating: "ab", count: 32)

    /// Rows whose label hangs on a planted direction, with noise.
    private func rows(_ count: Int, width: Int, seed: UInt64) -> (rows: [RewardHeadTrainer.Row], direction: [Float]) {
        var plan = SplitMix(state: 99)
        let direction = (0..<width).map { _ in Float.random(in: -1...1, using: &plan) }
        var random = SplitMix(state: seed)
        let rows = (0..<count).map { index in
            let hidden = (0..<width).map { Float.random(in: -1...1, using: &random) * Float(1 + $0 % 5) + 3 }
            let signal = zip(hidden.enumerated(), direction).reduce(Float(0)) {
                $0 + ($1.0.element - 3) / Float(1 + $1.0.offset % 5) * $1.1
            }
            let p = 1 / (1 + exp(-3 * Double(signal)))
            let label = Double.random(in: 0...1, using: &random) < p ? 1.0 : 0.0
            return RewardHeadTrainer.Row(hidden: hidden, label: label, group: index / 3)
        }
        return (rows, direction)
    }

    @Test("Training finds a planted direction, calibrates, and gives the same bytes again")
    func training() throws {
        let (train, _) = rows(600, width: 12, seed: 1)
        let (test, direction) = rows(400, width: 12, seed: 2)
        let trainer = RewardHeadTrainer(seed: 7)
        let head = try trainer.train(train, baseSHA256: Self.sha)
        let scores = test.map { head.raw($0.hidden) }
        let labels = test.map(\.label)
        let auroc = try #require(RewardMetrics.auroc(scores: scores, labels: labels))
        let calibrated = scores.map { head.calibration($0) }
        print("held out: AUROC \(auroc), ECE \(RewardMetrics.ece(scores: calibrated, labels: labels))")
        // No score can do better than the planted direction itself.
        let planted = test.map { row in
            row.hidden.indices.reduce(0.0) { $0 + Double(direction[$1] * (row.hidden[$1] - 3) / Float(1 + $1 % 5)) }
        }
        let best = try #require(RewardMetrics.auroc(scores: planted, labels: labels))
        #expect(best > 0.8)
        #expect(auroc > best - 0.03)
        #expect(abs(auroc - (head.metrics["auroc"] ?? 0)) < 0.08)
        #expect(RewardMetrics.ece(scores: calibrated, labels: labels) < 0.1)
        #expect(RewardMetrics.brier(scores: calibrated, labels: labels) < 0.16)
        #expect(try trainer.train(train, baseSHA256: Self.sha).encoded() == head.encoded())
    }

    @Test("Noise teaches nothing, and the cross-validated figures say so")
    func noise() throws {
        var random = SplitMix(state: 5)
        let rows = (0..<300).map { index in
            RewardHeadTrainer.Row(
                hidden: (0..<20).map { _ in Float.random(in: -1...1, using: &random) },
                label: Bool.random(using: &random) ? 1 : 0, group: index)
        }
        let head = try RewardHeadTrainer(seed: 1).train(rows, baseSHA256: Self.sha)
        #expect((0.35...0.65).contains(head.metrics["auroc"] ?? 0))
    }

    @Test("Rows that cannot be trained on are refused")
    func refused() {
        let trainer = RewardHeadTrainer(seed: 1)
        func row(_ label: Double, _ group: Int, _ hidden: [Float] = [1, 2]) -> RewardHeadTrainer.Row {
            RewardHeadTrainer.Row(hidden: hidden, label: label, group: group)
        }
        let wrong: [[RewardHeadTrainer.Row]] = [
            [], [row(1, 0), row(1, 1)], [row(1, 0), row(0, 0)], [row(1, 0), row(0, 1, [1])],
            [row(1, 0), row(0, 1, [1, .nan])], [row(1, 0), row(2, 1), row(0, 2)],
        ]
        for rows in wrong {
            #expect(throws: RewardHeadTrainer.Failure.self) { try trainer.train(rows, baseSHA256: Self.sha) }
        }
    }

    private func head() -> RewardHead {
        RewardHead(
            baseSHA256: Self.sha, weights: [1, -1, 0], bias: 0.5, mean: [0, 1, 2], scale: [1, 2, 3],
            calibration: Calibration(knots: [.init(raw: 0.2, calibrated: 0.1), .init(raw: 0.8, calibrated: 0.9)])
                ?? .identity, metrics: ["auroc": 0.8], seed: 3)
    }

    @Test("A head survives its file")
    func roundTrip() throws {
        let head = head()
        #expect(try RewardHead(data: head.encoded()) == head)
        let raw = head.raw([2, 1, 0])
        #expect(abs(raw - 1 / (1 + exp(-2.5))) < 1e-9)
        #expect(abs(head.calibration(0.5) - 0.5) < 1e-9)
        #expect(head.calibration(0.05) == 0.1)
        #expect(head.calibration(0.95) == 0.9)
    }

    @Test(
        "A wrong field is named",
        arguments: [
            ("format", "\"GBHEAD2\""), ("base_sha256", "\"ABC\""), ("n_embd", "0"), ("n_embd", "\"three\""),
            ("kind", "\"forest\""), ("weights", "\"AAAA\""), ("weights", "\"not base64!\""), ("bias", "null"),
            ("mean", "\"AACAfwAAgH8AAIB/\""), ("scale", "\"AAAAAAAAAAAAAAAA\""), ("calibration", "[[0.1]]"),
            ("calibration", "[[0.5, 0.5], [0.4, 0.6]]"), ("calibration", "[[0.5, 1.5]]"), ("seed", "-1"),
            ("metrics", "[]"), ("weights", nil), ("calibration", nil),
        ] as [(String, String?)])
    func wrongField(field: String, value: String?) throws {
        var object = try #require(JSONSerialization.jsonObject(with: head().encoded()) as? [String: Any])
        object[field] = try value.map {
            try JSONSerialization.jsonObject(with: Data($0.utf8), options: [.fragmentsAllowed])
        }
        let data = try JSONSerialization.data(withJSONObject: object)
        #expect {
            try RewardHead(data: data)
        } throws: { error in
            // Where n_embd is wrong, the vectors no longer fit: either may be named.
            "\(error)".contains("\"\(field)\"")
        }
    }

    @Test("Files that are no heads are named")
    func badFiles() throws {
        let directory = FileManager.default.temporaryDirectory
        let path = directory.appending(path: "head-\(UUID()).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for content in ["", "{", "[]", "GGUF"] {
            try Data(content.utf8).write(to: URL(filePath: path))
            #expect { try RewardHead(contentsOf: path) } throws: { "\($0)".contains(path) }
        }
        #expect { try RewardHead(contentsOf: path + ".none") } throws: { "\($0)".contains(".none") }
    }

    @Test("A head belongs to one base model")
    func mismatch() async throws {
        _ = try SharedHeadRewardModel(head: head(), name: "prm", baseSHA256: Self.sha, embeddingLength: 3)
        #expect(throws: LocalModelError.self) {
            try SharedHeadRewardModel(head: head(), name: "prm", baseSHA256: Self.sha, embeddingLength: 4)
        }
        let other = String(repeating: "0", count: 64)
        #expect(throws: LocalModelError.self) {
            try SharedHeadRewardModel(head: head(), name: "prm", baseSHA256: other, embeddingLength: 3)
        }
        let model = try SharedHeadRewardModel(head: head(), name: "prm", baseSHA256: Self.sha, embeddingLength: 3)
        var draft = StepDraft(
            text: "x", tokens: [1], logProbabilities: [0], hidden: [2, 1, 0], end: .boundary, promptTokens: 1,
            reusedTokens: 0)
        let reward = try await model.score(session: UUID(), messages: [], answer: [], draft: draft)
        #expect(reward.raw > 0.9 && reward.calibrated == 0.9)
        draft.hidden = []
        await #expect(throws: LocalModelError.self) {
            try await model.score(session: UUID(), messages: [], answer: [], draft: draft)
        }
    }

    @Test("The area under the curve counts pairs, ties a half")
    func auroc() {
        #expect(RewardMetrics.auroc(scores: [0.1, 0.4, 0.35, 0.8], labels: [0, 0, 1, 1]) == 0.75)
        #expect(RewardMetrics.auroc(scores: [0.5, 0.5], labels: [0, 1]) == 0.5)
        #expect(RewardMetrics.auroc(scores: [0.5], labels: [1]) == nil)
    }

    @Test("Calibration is monotone, and near the share of successes")
    func isotonic() {
        var random = SplitMix(state: 4)
        let scores = (0..<2000).map { _ in Double.random(in: 0...1, using: &random) }
        let labels = scores.map { Double.random(in: 0...1, using: &random) < $0 * $0 ? 1.0 : 0.0 }
        let calibration = Calibration.fit(scores: scores, labels: labels)
        let curve = stride(from: 0.0, through: 1, by: 0.01).map { calibration($0) }
        #expect(zip(curve, curve.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(curve.allSatisfy { $0 > 0 && $0 < 1 })
        #expect(abs(calibration(0.5) - 0.25) < 0.1)
        #expect(abs(calibration(0.9) - 0.81) < 0.1)
    }

    @Test("Names in a value stay text when a prompt is filled")
    func fill() {
        let parts = TokensRewardModel.fill("<{a}|{b}>", ["{a}": "x{b}", "{b}": "y"])
        #expect(parts.map(\.text) == ["<", "x{b}", "|", "y", ">"])
        #expect(parts.map(\.isInput) == [false, true, false, true, false])
    }
}
