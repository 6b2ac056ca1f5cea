package import Foundation

/// Why a reward head file is of no use; the text names file and field.
package struct RewardHeadFailure: Error, CustomStringConvertible, Hashable {
    package var description: String
    init(_ description: String) { self.description = description }
}

/// A reward head on one hidden state of a model, in the file format `GBHEAD1`: linear, or with one hidden layer.
///
/// A JSON object of at most 128 MiB:
///
/// | field | value |
/// |---|---|
/// | `format` | "GBHEAD1" |
/// | `base_sha256` | lower-case hex SHA-256 of the base model's file |
/// | `n_embd` | length of a hidden state |
/// | `kind` | "linear" or "mlp" |
/// | `weights` | base64 of little-endian 32-bit floats: `n_embd` of them, or as many as the layer has units |
/// | `mean`, `scale` | base64 of `n_embd` such floats; `scale` above 0 |
/// | `bias` | number |
/// | `layer`, `layer_bias` | of an mlp: base64 of `n_embd` bfloat16 a unit, and of one float a unit |
/// | `frame` | where the state is read, if not at the last token of a step in a chat: see `HeadFrame` |
/// | `calibration` | ascending list of [raw, calibrated], both 0…1; may be empty |
/// | `metrics` | numbers by name, for people |
/// | `seed` | of the training, 0…2⁶³−1 |
///
/// Raw score = sigmoid(weights · x + bias), where x = (hidden − mean) / scale, or, of an mlp,
/// max(0, layer · (hidden − mean) / scale + layer_bias); calibrated = linear interpolation of the knots.
package struct RewardHead: Hashable, Sendable {
    package static let format = "GBHEAD1"
    package static let maxFileBytes = 128 << 20
    package static let maxKnots = 4096
    package static let maxUnits = 65536
    /// Tokens of each list in a frame.
    package static let maxFrameTokens = 256

    /// Units between the hidden state and the score.
    package struct Layer: Hashable, Sendable {
        /// Unit by unit.
        package var weights: [Float]
        package var bias: [Float]
    }

    package var baseSHA256: String
    package var weights: [Float]
    package var bias: Double
    package var mean: [Float]
    package var scale: [Float]
    package var calibration: Calibration
    package var metrics: [String: Double]
    package var seed: UInt64
    package var layer: Layer?
    package var frame: HeadFrame?

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

    package var embeddingLength: Int { mean.count }

    /// Probability before calibration.
    package func raw(_ hidden: [Float]) -> Double {
        let count = min(mean.count, hidden.count)
        var input = (0..<count).map { (hidden[$0] - mean[$0]) / scale[$0] }
        if let layer {
            input = layer.bias.indices.map { unit in
                var sum = layer.bias[unit]
                let start = unit * mean.count
                for column in 0..<count { sum += layer.weights[start + column] * input[column] }
                return max(0, sum)
            }
        }
        let sum = zip(weights, input).reduce(bias) { $0 + Double($1.0) * Double($1.1) }
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
        var layer: String?
        var layer_bias: String?
        var frame: HeadFrame?
    }

    /// Reads a head file and checks every field.
    package init(contentsOf path: String) throws(RewardHeadFailure) {
        let data = try RewardHeadFile.data(of: path)
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
        try check(file.kind == "linear" || file.kind == "mlp", "kind", "is neither linear nor mlp")
        try check((1...65536).contains(file.n_embd), "n_embd", "is not between 1 and 65536")
        let isHex = file.base_sha256.count == 64 && file.base_sha256.allSatisfy { "0123456789abcdef".contains($0) }
        try check(isHex, "base_sha256", "is not 64 lower-case hex digits")
        try check(file.bias.isFinite, "bias", "is not finite")
        try check(file.seed >= 0, "seed", "is below 0")
        layer = file.kind == "mlp" ? try Self.layer(file) : nil
        weights = try Self.floats(file.weights, "weights", layer?.bias.count ?? file.n_embd)
        if let defect = file.frame?.defect { throw RewardHeadFailure("field \"frame\" \(defect)") }
        frame = file.frame
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
            format: Self.format, base_sha256: baseSHA256, n_embd: mean.count, kind: layer == nil ? "linear" : "mlp",
            weights: Data(floats: weights).base64EncodedString(), bias: bias,
            mean: Data(floats: mean).base64EncodedString(), scale: Data(floats: scale).base64EncodedString(),
            calibration: calibration.knots.map { [$0.raw, $0.calibrated] }, metrics: metrics,
            seed: Int64(clamping: seed),
            layer: layer.map { Data(halves: $0.weights).base64EncodedString() },
            layer_bias: layer.map { Data(floats: $0.bias).base64EncodedString() }, frame: frame)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        return try encoder.encode(file)
    }

    private static func layer(_ file: File) throws(RewardHeadFailure) -> Layer {
        guard let text = file.layer, let biasText = file.layer_bias else {
            throw RewardHeadFailure("field \"\(file.layer == nil ? "layer" : "layer_bias")\" is missing")
        }
        guard let data = Data(base64Encoded: text), data.count % (2 * file.n_embd) == 0 else {
            throw RewardHeadFailure("field \"layer\" is not base64 of whole units of n_embd halves")
        }
        let units = data.count / (2 * file.n_embd)
        guard (1...maxUnits).contains(units) else { throw RewardHeadFailure("field \"layer\" has no units") }
        let weights = data.halves
        guard weights.allSatisfy(\.isFinite) else {
            throw RewardHeadFailure("field \"layer\" has a value that is not finite")
        }
        return Layer(weights: weights, bias: try floats(biasText, "layer_bias", units))
    }

    private static func floats(_ text: String, _ field: String, _ count: Int) throws(RewardHeadFailure) -> [Float] {
        guard let data = Data(base64Encoded: text) else {
            throw RewardHeadFailure("field \"\(field)\" is not base64")
        }
        guard data.count == 4 * count else {
            throw RewardHeadFailure(
                "field \"\(field)\" has \(data.count) bytes, not the \(4 * count) of \(count) floats")
        }
        let values = data.floats
        guard values.allSatisfy(\.isFinite) else {
            throw RewardHeadFailure("field \"\(field)\" has a value that is not finite")
        }
        return values
    }

    static func text(_ error: DecodingError) -> String {
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
