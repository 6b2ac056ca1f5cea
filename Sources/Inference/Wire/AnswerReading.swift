package import Foundation

/// How likely a model finds the tokens of a step.
package struct TokenLikelihoods: Codable, Sendable, Hashable {
    /// Natural logarithm of each token's probability.
    package var tokens: [Float] = []
    /// The same of the token that the model would rather have written, at each place.
    package var best: [Float] = []

    package init() {}
}

/// What a model makes of an answer that it is given: what reward heads learn from.
package struct AnswerReading: Sendable, Hashable {
    /// One step of it.
    package struct Step: Sendable, Hashable {
        /// Hidden state at the step's last token.
        package var last: [Float]
        /// Mean over the step's tokens.
        package var mean: [Float]
        package var likelihoods: TokenLikelihoods

        package init(last: [Float], mean: [Float], likelihoods: TokenLikelihoods) {
            self.last = last
            self.mean = mean
            self.likelihoods = likelihoods
        }
    }

    /// Hidden state at the last token before the steps: of the question alone.
    package var question: [Float]
    package var steps: [Step]

    package init(question: [Float], steps: [Step]) {
        self.question = question
        self.steps = steps
    }

    /// - Parameter vectors: in a row as the engine host sends them; nil where they do not fit.
    init?(likelihoods: [TokenLikelihoods], vectors: [Float]) {
        let rows = 2 * likelihoods.count + 1
        guard !vectors.isEmpty, vectors.count % rows == 0 else { return nil }
        let width = vectors.count / rows
        func row(_ index: Int) -> [Float] { Array(vectors[(index * width)..<((index + 1) * width)]) }
        question = row(0)
        steps = likelihoods.indices.map {
            Step(last: row(2 * $0 + 1), mean: row(2 * $0 + 2), likelihoods: likelihoods[$0])
        }
    }
}

/// In a file: 32-bit little-endian words. The width of a hidden state, the number of steps, of each step the number of
/// its tokens; then floats: the question's state, and of each step its last state, its mean and the two likelihoods of
/// every token.
extension AnswerReading {
    package var encoded: Data {
        var data = Data()
        for number in [question.count, steps.count] + steps.map(\.likelihoods.tokens.count) {
            data.append(littleEndian: UInt32(number))
        }
        data.append(Data(floats: question))
        for step in steps {
            data.append(Data(floats: step.last + step.mean + step.likelihoods.tokens + step.likelihoods.best))
        }
        return data
    }

    /// nil where the bytes are no reading.
    package init?(data: Data) {
        let data = Data(data)
        guard data.count >= 8 else { return nil }
        let width = Int(data.littleEndianUInt32(at: 0))
        let count = Int(data.littleEndianUInt32(at: 4))
        guard width > 0, count > 0, data.count >= 8 + 4 * count else { return nil }
        let tokens = (0..<count).map { Int(data.littleEndianUInt32(at: 8 + 4 * $0)) }
        let floats = Data(data.dropFirst(8 + 4 * count)).floats
        guard floats.count == width * (1 + 2 * count) + 2 * tokens.reduce(0, +) else { return nil }
        var rest = floats[...]
        func take(_ length: Int) -> [Float] {
            defer { rest = rest.dropFirst(length) }
            return Array(rest.prefix(length))
        }
        question = take(width)
        steps = []
        for length in tokens {
            let (last, mean) = (take(width), take(width))
            var likelihoods = TokenLikelihoods()
            likelihoods.tokens = take(length)
            likelihoods.best = take(length)
            steps.append(Step(last: last, mean: mean, likelihoods: likelihoods))
        }
    }
}
