import Foundation
import GatewayCore
import Testing

@testable import Inference

/// Heads on whole answers: what they see, that they learn it, and that their files hold.
@Suite("Reward heads on whole answers") struct AnswerHeadTests {
    static let sha = String(repeating: "b", count: 64)

    @Test("a route that keeps to a floor goes by the low quantile, every other one by the mean")
    func lowQuantile() {
        let reward = ProcessReward(raw: 0.9, calibrated: 0.8, low: 0.6)
        #expect(reward.taken(for: .floor).calibrated == 0.6)
        #expect(reward.taken(for: .budget) == reward && reward.taken(for: .price) == reward)
        #expect(ProcessReward(raw: 0.9, calibrated: 0.8).taken(for: .floor).calibrated == 0.8)
    }

    @Test(
        "Equations are read the way models write them",
        arguments: [
            ("12 + 7 = 19", [true]), ("12 + 7 = 20", [false]), ("$1,200 x 3 = $3,600.", [true]),
            ("40 / 200 = 20%", [true]), ("200 * 15% = 30", [true]), ("2 + 3 * 4 = 14", [true]),
            ("3 hours * 60 mph = 180 miles", [true]), ("10 ÷ 4 = 2.5", [true]), ("10 / 3 = 3.33", [true]),
            ("3 * 4 = 2 * 6 = 12", [true]), ("x = 5", []), ("7 = 7", []), ("1 / 0 = 3", []), ("5 - 8 = -3", [true]),
            ("He has 5 apples. 3 + 4 = 8", [false]), ("", []), ("=", []), ("+ = +", []), ("3 + = 4", []),
        ] as [(String, [Bool])])
    func claims(text: String, expected: [Bool]) {
        #expect(ArithmeticText(text).claims.map(\.isTrue) == expected)
    }

    @Test("A calculator's notes are checked against themselves and against what is written behind them")
    func notes() {
        let right = ArithmeticText("80+50=<<80+50=130>>130")
        #expect(right.noteCount == 1 && right.falseNotes == 0 && right.contradictedNotes == 0)
        #expect(right.claims.map(\.isTrue) == [true] && right.numbers == [80, 50, 130])
        let wrong = ArithmeticText("80+50=<<80+50=140>>14")
        #expect(wrong.falseNotes == 1 && wrong.contradictedNotes == 1)
        #expect(ArithmeticText("15 + 25 = <<15+2").noteCount == 0)
    }

    @Test("Every number of an answer is finite and has a name, whatever the text is")
    func finite() {
        var random = SplitMix(state: 3)
        let alphabet = Array("0123456789.,+-*/=<>%$x \n#A:éß÷abc()")
        let digits = String(repeating: "6", count: 4000)
        var texts = ["", " ", "\n", "0.\(digits)", digits, "\(digits) + 1 = \(digits)", "<<", "<<>>", "1/0=0"]
        for _ in 0..<300 {
            texts.append(String((0..<60).map { _ in alphabet.randomElement(using: &random) ?? " " }))
        }
        for text in texts {
            let values = AnswerRow.text(AnswerFeatures(question: text), [text, text + "!"], isEnd: true, isOwn: true)
            #expect(values.count == AnswerRow.textNames.count)
            #expect(values.allSatisfy { $0.isFinite }, "\(text.prefix(80))")
        }
    }

    /// Answers to sums, of which some are wrong: in the arithmetic, or by leaving a number of the question out.
    static func rows(_ count: Int, seed: UInt64, state: Bool = false) -> [AnswerRow] {
        var random = SplitMix(state: seed)
        return (0..<count).flatMap { group -> [AnswerRow] in
            let (a, b, c) = (
                Int.random(in: 2...9, using: &random), Int.random(in: 11...30, using: &random),
                Int.random(in: 31...60, using: &random)
            )
            let isRight = Bool.random(using: &random)
            let slip = !isRight && Bool.random(using: &random) ? 3 : 0
            var steps = ["First \(a) + \(b) = \(a + b + slip)."]
            steps += isRight || slip > 0 ? ["Then \(a + b + slip) + \(c) = \(a + b + slip + c)."] : []
            steps.append("#### \(isRight || slip > 0 ? a + b + slip + c : a + b)")
            var template = AnswerRow(text: [], label: 0, group: group, step: 0, isEnd: false)
            // One number of the state tells, the others are noise.
            if state {
                template.state = LikelihoodFeatures.names.map { _ in Float.random(in: -1...1, using: &random) }
                template.state += [isRight ? 1 : -1, 0.5]
            }
            let question = "Ann has \(a) apples, \(b) pears and \(c) figs. How many fruits are there?"
            return AnswerRow.rows(
                question: AnswerFeatures(question: question), steps: steps, labels: steps.map { _ in isRight ? 1 : 0 },
                reading: nil, as: template
            ).map { row in
                var row = row
                row.state = template.state
                return row
            }
        }
    }

    private func trainer(_ seed: UInt64 = 5) -> AnswerHeadTrainer {
        var trainer = AnswerHeadTrainer(seed: seed)
        (trainer.folds, trainer.innerFolds, trainer.rounds) = (3, 2, 12)
        return trainer
    }

    @Test("A head learns from outcomes alone which arithmetic is to be believed, and gives the same bytes again")
    func learns() throws {
        let rows = Self.rows(90, seed: 1)
        let scores = try trainer().crossValidated(rows)
        let ends = rows.indices.filter { rows[$0].isEnd }
        let auroc = RewardMetrics.auroc(scores: ends.map { scores[$0] }, labels: ends.map { rows[$0].label })
        print("sums, cross-validated: AUROC \(auroc ?? 0)")
        #expect(auroc ?? 0 > 0.9)
        let head = try trainer().train(rows, baseSHA256: Self.sha, embeddingLength: 4)
        #expect(!head.readsState)
        let held = Self.rows(60, seed: 2).filter(\.isEnd)
        let fresh = RewardMetrics.auroc(scores: held.map { head.raw($0) }, labels: held.map(\.label))
        #expect(fresh ?? 0 > 0.9)
        let again = try trainer().train(rows, baseSHA256: Self.sha, embeddingLength: 4)
        #expect(try again.encoded() == head.encoded())
        let file = try AnswerHead(data: head.encoded())
        #expect(held.allSatisfy { abs(file.raw($0) - head.raw($0)) < 1e-6 })
        #expect(try AnswerHead.isMeant(by: head.encoded()))
    }

    @Test("Labels that have nothing to do with the answers are not learned: nothing leaks between folds")
    func noise() throws {
        var random = SplitMix(state: 8)
        // Four answers to each question share a label that only the question's group knows.
        var rows: [AnswerRow] = []
        for row in Self.rows(60, seed: 3).filter(\.isEnd) {
            let label = Bool.random(using: &random) ? 1.0 : 0
            for _ in 0..<4 {
                var copy = row
                copy.label = label
                rows.append(copy)
            }
        }
        let scores = try trainer().crossValidated(rows)
        let auroc = RewardMetrics.auroc(scores: scores, labels: rows.map(\.label)) ?? 0
        print("noise, cross-validated: AUROC \(auroc)")
        #expect(auroc < 0.7)
    }

    @Test("What a model makes of an answer counts where the text says nothing")
    func state() throws {
        var rows = Self.rows(60, seed: 4, state: true).filter(\.isEnd)
        let text = rows[0].text
        for index in rows.indices { rows[index].text = text }
        let scores = try trainer().crossValidated(rows)
        #expect(RewardMetrics.auroc(scores: scores, labels: rows.map(\.label)) ?? 0 > 0.95)
        let other = rows.map { row in
            var row = row
            row.state = []
            return row
        }
        let blind = try trainer().crossValidated(other)
        #expect(RewardMetrics.auroc(scores: blind, labels: rows.map(\.label)) ?? 0 < 0.75)
    }

    @Test("Rows that cannot be trained on are refused")
    func refused() {
        let good = Self.rows(20, seed: 6)
        var alike = good
        for index in alike.indices { alike[index].label = 1 }
        var wide = good
        wide[0].text.append(1)
        var infinite = good
        infinite[1].text[0] = .infinity
        var outside = good
        outside[0].label = 1.5
        var one = good
        for index in one.indices { one[index].group = 0 }
        for rows in [[], alike, wide, infinite, outside, one] {
            #expect(throws: RewardHeadTrainer.Failure.self) {
                try trainer().train(rows, baseSHA256: Self.sha, embeddingLength: 4)
            }
        }
    }

    @Test(
        "A wrong field of a head's file is named",
        arguments: [
            ("format", "\"GBHEAD3\""), ("base_sha256", "\"xyz\""), ("n_embd", "0"), ("seed", "-1"), ("whole", "[]"),
            ("whole", nil), ("calibration", "{\"entries\":[],\"lowQuantile\":3}"), ("metrics", "[]"),
        ] as [(String, String?)])
    func wrongField(field: String, value: String?) throws {
        let head = try trainer().train(Self.rows(24, seed: 7), baseSHA256: Self.sha, embeddingLength: 4)
        var object = try #require(JSONSerialization.jsonObject(with: head.encoded()) as? [String: Any])
        object[field] = try value.map {
            try JSONSerialization.jsonObject(with: Data($0.utf8), options: [.fragmentsAllowed])
        }
        let data = try JSONSerialization.data(withJSONObject: object)
        #expect {
            try AnswerHead(data: data)
        } throws: {
            "\($0)".contains("\"\(field)\"")
        }
    }

    @Test("Calibration is by depth and cluster, falls back to all clusters, and its quantile is never above it")
    func calibration() {
        var random = SplitMix(state: 9)
        var samples: [CalibrationTable.Sample] = []
        for _ in 0..<900 {
            let raw = Double.random(in: 0...1, using: &random)
            let isHard = Bool.random(using: &random)
            // On hard tasks a score is worth half.
            let isRight = Double.random(in: 0..<1, using: &random) < (isHard ? raw / 2 : raw)
            samples.append(
                .init(raw: raw, label: isRight ? 1 : 0, cluster: isHard ? "hard" : "easy", depth: .whole))
        }
        samples += samples.prefix(20).map { .init(raw: $0.raw, label: $0.label, cluster: "rare", depth: .first) }
        let table = CalibrationTable.fit(samples, seed: 1)
        #expect(table == CalibrationTable.fit(samples, seed: 1))
        #expect(abs(table(0.8, cluster: "easy", depth: .whole).calibrated - 0.8) < 0.15)
        #expect(abs(table(0.8, cluster: "hard", depth: .whole).calibrated - 0.4) < 0.15)
        #expect(abs(table(0.8, cluster: "unknown", depth: .whole).calibrated - 0.6) < 0.15)
        // Too few rows at this depth: scores stay as they are.
        #expect(table(0.8, cluster: "rare", depth: .first).calibrated == 0.8)
        for raw in stride(from: 0.0, through: 1, by: 0.05) {
            let (calibrated, low) = table(raw, cluster: "hard", depth: .whole)
            #expect(low <= calibrated && low >= 0)
        }
        let part = table(0.5, cluster: "easy", depth: .whole)
        #expect(part.low < part.calibrated)
    }

    @Test("Intervals hold the figure, narrow with more problems, and tell depths apart")
    func evaluation() throws {
        func evaluate(_ count: Int) -> RewardEvaluation {
            var random = SplitMix(state: 11)
            var samples: [CalibrationTable.Sample] = []
            for _ in 0..<count {
                let raw = Double.random(in: 0...1, using: &random)
                let label = Double.random(in: 0..<1, using: &random) < raw ? 1.0 : 0
                samples.append(.init(raw: raw, label: label, depth: .whole))
                samples.append(.init(raw: 0.5, label: label, depth: .first))
            }
            return RewardEvaluation(samples, groups: samples.indices.map { $0 / 2 }, resamples: 60, seed: 1)
        }
        let (few, many) = (evaluate(80), evaluate(800))
        for evaluation in [few, many] {
            let auroc = try #require(evaluation.whole?.auroc)
            #expect(auroc.low < auroc.value && auroc.value < auroc.high)
            #expect(evaluation.depths["first"]?.auroc?.value == 0.5)
            #expect(evaluation.depths["late"] == nil)
            #expect(evaluation.reliability.reduce(0) { $0 + $1.count } == evaluation.whole?.rows)
        }
        let (wide, narrow) = (try #require(few.whole?.auroc), try #require(many.whole?.auroc))
        #expect(narrow.high - narrow.low < (wide.high - wide.low) / 2)
        #expect(try #require(many.whole).ece.value < 0.06)
    }

    @Test("Ridge regression out of fold finds a plane and does not see its own targets; components find directions")
    func regression() {
        var random = SplitMix(state: 12)
        let features = (0..<200).map { _ in (0..<4).map { _ in Double.random(in: -1...1, using: &random) } }
        let folds = features.indices.map { $0 % 5 }
        let targets = features.map { 3 + 2 * $0[0] - $0[2] }
        let good = RidgeRegression.outOfFold(features, targets, folds: folds, penalty: 0.1)
        #expect(zip(good, targets).allSatisfy { abs($0 - $1) < 0.05 })
        let noise = features.map { _ in Double.random(in: -1...1, using: &random) }
        let blind = RidgeRegression.outOfFold(features, noise, folds: folds, penalty: 0.1)
        let overlap = zip(blind, noise).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(overlap < 3)
        let vectors = features.map { [Float($0[0]) * 9, Float($0[1]) * 0.1, Float($0[2]) * 0.1] }
        let components = PrincipalComponents(vectors, count: 1, seed: 1)
        let spread = components.project([9, 0, 0])[0] - components.project([-9, 0, 0])[0]
        #expect(abs(abs(spread) - 18) < 0.2)
    }

    @Test("A reading survives its bytes, and damaged ones are no reading")
    func reading() {
        var likelihoods = TokenLikelihoods()
        (likelihoods.tokens, likelihoods.best) = ([-1, -2], [-0.5, -0.25])
        let step = AnswerReading.Step(last: [1, 2], mean: [3, 4], likelihoods: likelihoods)
        let reading = AnswerReading(question: [5, 6], steps: [step, step])
        #expect(AnswerReading(data: reading.encoded) == reading)
        for length in 0..<reading.encoded.count {
            #expect(AnswerReading(data: reading.encoded.prefix(length)) == nil)
        }
        let state = AnswerRow.state(reading, through: 1)
        #expect(state.count == LikelihoodFeatures.names.count + 4)
        #expect(Array(state.suffix(4)) == [1, 2, 3, 4])
        #expect(state[0] == -1.5 && state[3] == -2)
    }
}
