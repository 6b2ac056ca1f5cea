/// What a reward head learns from: an answer as far as a step, in numbers, and how it ends.
package struct AnswerRow: Hashable, Sendable {
    /// `AnswerFeatures` of the text.
    package var text: [Float]
    /// What a model makes of it: likelihoods, then hidden states; empty where it was not read.
    package var state: [Float]
    /// The chance that the answer ends right.
    package var label: Double
    /// How much it counts in training; rows of other models' answers count less.
    package var weight: Float
    /// Rows of one group (answers to one problem) stay together in one fold: nothing leaks between folds.
    package var group: Int
    /// Of the SLM whose rewards are asked for, not of another model's answer.
    package var isOwn: Bool
    /// Counted from 1.
    package var step: Int
    /// The answer is complete with this step.
    package var isEnd: Bool

    package init(
        text: [Float], state: [Float] = [], label: Double, weight: Float = 1, group: Int, isOwn: Bool = true,
        step: Int, isEnd: Bool
    ) {
        self.text = text
        self.state = state
        self.label = label
        self.weight = weight
        self.group = group
        self.isOwn = isOwn
        self.step = step
        self.isEnd = isEnd
    }

    /// Names of the numbers in `text`.
    package static let textNames = AnswerFeatures.names + ["own"]

    /// One row a step of an answer; steps without a label are left out.
    ///
    /// - Parameters:
    ///   - reading: what a model made of the steps; nil where it was not read.
    package static func rows(
        question: AnswerFeatures, steps: [String], labels: [Double?], reading: AnswerReading?, as template: AnswerRow
    ) -> [AnswerRow] {
        steps.indices.compactMap { index in
            guard index < labels.count, let label = labels[index] else { return nil }
            var row = template
            row.step = index + 1
            row.isEnd = index == steps.count - 1
            row.label = label
            row.text = text(question, Array(steps[...index]), isEnd: row.isEnd, isOwn: template.isOwn)
            row.state = reading.map { state($0, through: index) } ?? []
            return row
        }
    }

    /// The numbers of `text` after some steps.
    package static func text(
        _ question: AnswerFeatures, _ steps: [String], isEnd: Bool, isOwn: Bool
    ) -> [Float] {
        question.values(steps, isEnd: isEnd).map(Float.init) + [isOwn ? 1 : 0]
    }

    /// The numbers of `state` after a step: likelihoods so far, the hidden state at the step's end, and the mean over
    /// all tokens so far.
    package static func state(_ reading: AnswerReading, through index: Int) -> [Float] {
        let steps = reading.steps[...index]
        var mean = [Float](repeating: 0, count: reading.question.count)
        var count: Float = 0
        for step in steps {
            let tokens = Float(max(1, step.likelihoods.tokens.count))
            for column in mean.indices { mean[column] += tokens * step.mean[column] }
            count += tokens
        }
        let scale = 1 / max(1, count)
        return LikelihoodFeatures.values(steps).map(Float.init) + reading.steps[index].last + mean.map { $0 * scale }
    }
}
