package import Foundation

/// A reward head on all that an SLM and its text say of an answer so far, in the file format `GBHEAD2`.
///
/// Where `RewardHead` looks at one hidden state, this looks at the arithmetic, the likelihoods and the states of all
/// steps. It is a JSON object: `format`, `base_sha256`, `n_embd`, `whole` and `partial` (scorers of finished and of
/// unfinished answers), `calibration`, `metrics` and `seed`.
package struct AnswerHead: Hashable, Sendable {
    package static let format = "GBHEAD2"

    package var baseSHA256: String
    package var embeddingLength: Int
    var whole: AnswerScorer
    /// nil where only whole answers were learned from.
    var partial: AnswerScorer?
    package var calibration = CalibrationTable()
    package var metrics: [String: Double] = [:]
    package var seed: UInt64

    /// Whether it needs what the SLM makes of an answer, not only its text.
    package var readsState: Bool { [whole, partial].contains { $0?.likelihood != nil || $0?.hidden != nil } }

    /// The chance that an answer ends right, before calibration.
    package func raw(_ row: AnswerRow) -> Double {
        (row.isEnd ? whole : partial ?? whole).probability(text: row.text, state: row.state)
    }

    package func calibrated(_ row: AnswerRow, cluster: String? = nil) -> (calibrated: Double, low: Double) {
        calibration(raw(row), cluster: cluster, depth: .init(step: row.step, isEnd: row.isEnd))
    }

    /// Numbers in the state of an answer: likelihoods, the last hidden state and the mean.
    package var stateWidth: Int { LikelihoodFeatures.names.count + 2 * embeddingLength }

    // MARK: - File

    private struct File: Codable {
        var format: String
        var base_sha256: String
        var n_embd: Int
        var whole: AnswerScorer
        var partial: AnswerScorer?
        var calibration: CalibrationTable
        var metrics: [String: Double]
        var seed: Int64
    }

    /// Whether a file's bytes are of this format; nothing else of them is checked.
    package static func isMeant(by data: Data) -> Bool {
        struct Format: Decodable { var format: String }
        return (try? JSONDecoder().decode(Format.self, from: data))?.format == format
    }

    /// Reads a head from the bytes of its file, and checks every field.
    package init(data: Data) throws(RewardHeadFailure) {
        guard data.count <= RewardHead.maxFileBytes else {
            throw RewardHeadFailure("is larger than \(RewardHead.maxFileBytes) bytes")
        }
        let file: File
        do {
            file = try JSONDecoder().decode(File.self, from: data)
        } catch let error as DecodingError {
            throw RewardHeadFailure(RewardHead.text(error))
        } catch {
            throw RewardHeadFailure("no JSON object")
        }
        func check(_ condition: Bool, _ field: String, _ text: String) throws(RewardHeadFailure) {
            if !condition { throw RewardHeadFailure("field \"\(field)\" \(text)") }
        }
        try check(file.format == Self.format, "format", "is not \(Self.format)")
        try check((1...65536).contains(file.n_embd), "n_embd", "is not between 1 and 65536")
        let isHex = file.base_sha256.count == 64 && file.base_sha256.allSatisfy { "0123456789abcdef".contains($0) }
        try check(isHex, "base_sha256", "is not 64 lower-case hex digits")
        try check(file.seed >= 0, "seed", "is below 0")
        let textWidth = AnswerRow.textNames.count
        let stateWidth = LikelihoodFeatures.names.count + 2 * file.n_embd
        try check(file.whole.isSound(textWidth: textWidth, stateWidth: stateWidth), "whole", "does not fit its rows")
        let isSound = file.partial?.isSound(textWidth: textWidth, stateWidth: stateWidth) ?? true
        try check(isSound, "partial", "does not fit its rows")
        if let defect = file.calibration.defect { throw RewardHeadFailure("field \"calibration\" \(defect)") }
        baseSHA256 = file.base_sha256
        embeddingLength = file.n_embd
        whole = file.whole
        partial = file.partial
        calibration = file.calibration
        metrics = file.metrics
        seed = UInt64(file.seed)
    }

    init(baseSHA256: String, embeddingLength: Int, whole: AnswerScorer, partial: AnswerScorer?, seed: UInt64) {
        self.baseSHA256 = baseSHA256
        self.embeddingLength = embeddingLength
        self.whole = whole
        self.partial = partial
        self.seed = seed
    }

    /// The bytes of the head's file; the same head gives the same bytes.
    package func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return try encoder.encode(
            File(
                format: Self.format, base_sha256: baseSHA256, n_embd: embeddingLength, whole: whole,
                partial: partial, calibration: calibration, metrics: metrics, seed: Int64(clamping: seed)))
    }
}
