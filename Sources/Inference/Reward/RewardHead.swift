package import Foundation
internal import Glibc

/// Why a reward head file is of no use; the text names file and field.
package struct RewardHeadFailure: Error, CustomStringConvertible, Hashable {
    package var description: String
    init(_ description: String) { self.description = description }
}

/// A linear reward head on an SLM's hidden state, in the file format `GBHEAD1`.
///
/// A JSON object of at most 16 MiB:
///
/// | field | value |
/// |---|---|
/// | `format` | "GBHEAD1" |
/// | `base_sha256` | lower-case hex SHA-256 of the base model's file |
/// | `n_embd` | length of a hidden state |
/// | `kind` | "linear" |
/// | `weights`, `mean`, `scale` | base64 of `n_embd` little-endian 32-bit floats; `scale` above 0 |
/// | `bias` | number |
/// | `calibration` | ascending list of [raw, calibrated], both 0…1; may be empty |
/// | `metrics` | numbers by name, for people |
/// | `seed` | of the training, 0…2⁶³−1 |
///
/// Raw score = sigmoid(weights · ((hidden − mean) / scale) + bias); calibrated = linear interpolation of the knots.
package struct RewardHead: Hashable, Sendable {
    package static let format = "GBHEAD1"
    package static let maxFileBytes = 16 << 20
    package static let maxKnots = 4096

    package var baseSHA256: String
    package var weights: [Float]
    package var bias: Double
    package var mean: [Float]
    package var scale: [Float]
    package var calibration: Calibration
    package var metrics: [String: Double]
    package var seed: UInt64

    package init(
        baseSHA256: String, weights: [Float], bias: Double, mean: [Float], scale: [Float], calibration: Calibration,
        metrics: [String: Double], seed: UInt64
    ) {
        self.baseSHA256 = baseSHA256
        self.weights = weights
        self.bias = bias
        self.mean = mean
        self.scale = scale
        self.calibration = calibration
        self.metrics = metrics
        self.seed = seed
    }

    package var embeddingLength: Int { weights.count }

    /// Probability before calibration.
    package func raw(_ hidden: [Float]) -> Double {
        var sum = bias
        for index in 0..<min(weights.count, hidden.count) {
            sum += Double(weights[index]) * Double((hidden[index] - mean[index]) / scale[index])
        }
        return 1 / (1 + exp(-sum))
    }

    // MARK: - File

    private struct File: Codable {
        var format: String
        var base_sha256: String
        var n_embd: Int
        var kind: String
        var weights: String
        var bias: Double
        var mean: String
        var scale: String
        var calibration: [[Double]]
        var metrics: [String: Double]
        var seed: Int64
    }

    /// Reads a head file and checks every field.
    package init(contentsOf path: String) throws(RewardHeadFailure) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw RewardHeadFailure("reward head \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_size <= Self.maxFileBytes else {
            throw RewardHeadFailure("reward head \(path): larger than \(Self.maxFileBytes) bytes")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RewardHeadFailure("reward head \(path) cannot be read")
        }
        do throws(RewardHeadFailure) {
            try self.init(data: data)
        } catch {
            throw RewardHeadFailure("reward head \(path): \(error.description)")
        }
    }

    /// Reads a head from the bytes of its file.
    package init(data: Data) throws(RewardHeadFailure) {
        let file: File
        do {
            file = try JSONDecoder().decode(File.self, from: data)
        } catch let error as DecodingError {
            throw RewardHeadFailure(Self.text(error))
        } catch {
            throw RewardHeadFailure("no JSON object")
        }
        func check(_ condition: Bool, _ field: String, _ text: String) throws(RewardHeadFailure) {
            if !condition { throw RewardHeadFailure("field \"\(field)\" \(text)") }
        }
        try check(file.format == Self.format, "format", "is not \(Self.format)")
        try check(file.kind == "linear", "kind", "is not linear")
        try check((1...65536).contains(file.n_embd), "n_embd", "is not between 1 and 65536")
        let isHex = file.base_sha256.count == 64 && file.base_sha256.allSatisfy { "0123456789abcdef".contains($0) }
        try check(isHex, "base_sha256", "is not 64 lower-case hex digits")
        try check(file.bias.isFinite, "bias", "is not finite")
        try check(file.seed >= 0, "seed", "is below 0")
        weights = try Self.floats(file.weights, "weights", file.n_embd)
        mean = try Self.floats(file.mean, "mean", file.n_embd)
        scale = try Self.floats(file.scale, "scale", file.n_embd)
        try check(scale.allSatisfy { $0 > 0 }, "scale", "has a value that is not above 0")
        try check(file.calibration.count <= Self.maxKnots, "calibration", "has more than \(Self.maxKnots) knots")
        try check(file.calibration.allSatisfy { $0.count == 2 }, "calibration", "has a knot that is no pair")
        let knots = file.calibration.map { Calibration.Knot(raw: $0[0], calibrated: $0[1]) }
        guard let calibration = Calibration(knots: knots) else {
            throw RewardHeadFailure("field \"calibration\" is not ascending within 0…1")
        }
        self.calibration = calibration
        baseSHA256 = file.base_sha256
        bias = file.bias
        metrics = file.metrics
        seed = UInt64(file.seed)
    }

    /// The bytes of the head's file; the same head gives the same bytes.
    package func encoded() throws -> Data {
        let file = File(
            format: Self.format, base_sha256: baseSHA256, n_embd: weights.count, kind: "linear",
            weights: Data(floats: weights).base64EncodedString(), bias: bias,
            mean: Data(floats: mean).base64EncodedString(), scale: Data(floats: scale).base64EncodedString(),
            calibration: calibration.knots.map { [$0.raw, $0.calibrated] }, metrics: metrics,
            seed: Int64(clamping: seed))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        return try encoder.encode(file)
    }

    private static func floats(_ text: String, _ field: String, _ count: Int) throws(RewardHeadFailure) -> [Float] {
        guard let data = Data(base64Encoded: text) else {
            throw RewardHeadFailure("field \"\(field)\" is not base64")
        }
        guard data.count == 4 * count else {
            throw RewardHeadFailure("field \"\(field)\" has \(data.count) bytes, not the \(4 * count) of n_embd floats")
        }
        let values = data.floats
        guard values.allSatisfy(\.isFinite) else {
            throw RewardHeadFailure("field \"\(field)\" has a value that is not finite")
        }
        return values
    }

    private static func text(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "field \"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            context.codingPath.first.map { "field \"\($0.stringValue)\" has the wrong type" } ?? "no JSON object"
        case .dataCorrupted(let context):
            context.codingPath.first.map { "field \"\($0.stringValue)\" is out of range" } ?? "no JSON"
        @unknown default: "no JSON object of the format"
        }
    }
}
