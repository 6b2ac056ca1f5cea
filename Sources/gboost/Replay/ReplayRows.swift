internal import Foundation
internal import Router

/// Reads recorded requests, in whichever of the forms a line has.
///
/// *Arms*: `{"id", "source", "arms": {NAME: {"reward", "cost_usd"}}}`, of which two are chosen. *Signals*: `{"id",
/// "cluster"?, "slm": {"quality", "cost_usd"?}, "llm": {"quality", "cost_usd"}, "signal": [reward of each step],
/// "llm_signal"?, "query_features"?, "expected_cost_usd"?, "hold_cost_usd"?}`, as a reward model has read them.
struct ReplayRows: Sendable {
    /// Longer files are refused.
    static let maxFileBytes = 256 << 20

    /// Names of the two arms; nil where the data are no arms.
    var slm: String?
    var llm: String?

    private struct Form: Decodable {
        struct Arm: Decodable {
            var reward: Double
            var costUsd: Double
        }
        struct Answer: Decodable {
            var quality: Double
            var costUsd: Double?
        }
        var id: String
        var source: String?
        var arms: [String: Arm]?
        var cluster: String?
        var slm: Answer?
        var llm: Answer?
        var signal: [Double]?
        var llmSignal: Double?
        var queryFeatures: [Double]?
        var expectedCostUsd: Double?
        var holdCostUsd: Double?
    }

    func read(_ path: String) throws -> [ReplayRequest] {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
        } catch {
            throw CommandFailure("\(path): cannot be read: \(FileFailure.unreadable(path))")
        }
        guard data.count <= Self.maxFileBytes else { throw CommandFailure("\(path): longer than 256 MiB") }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var rows: [ReplayRequest] = []
        for (number, line) in JSONLines.split(data) {
            let place = "\(path), line \(number)"
            do {
                rows.append(try request(try decoder.decode(Form.self, from: Data(line)), place))
            } catch let error as DecodingError {
                throw CommandFailure("\(place): \(Self.reason(error))")
            }
        }
        return rows
    }

    private func request(_ form: Form, _ place: String) throws -> ReplayRequest {
        if let arms = form.arms { return try request(form, arms, place) }
        guard let slm = form.slm, let llm = form.llm, let signal = form.signal else {
            throw CommandFailure("\(place): neither \"arms\" nor \"slm\", \"llm\" and \"signal\"")
        }
        var request = ReplayRequest(
            id: form.id, cluster: form.cluster ?? form.source ?? "",
            slm: .init(quality: slm.quality, cost: try Self.nano(slm.costUsd ?? 0, "slm", place)),
            llm: .init(quality: llm.quality, cost: try Self.nano(llm.costUsd ?? 0, "llm", place)), signal: signal)
        request.llmSignal = form.llmSignal
        request.queryFeatures = form.queryFeatures ?? []
        request.expectedCost = try form.expectedCostUsd.map { try Self.nano($0, "expected_cost_usd", place) }
        request.holdCost = try form.holdCostUsd.map { try Self.nano($0, "hold_cost_usd", place) }
        return request
    }

    private func request(_ form: Form, _ arms: [String: Form.Arm], _ place: String) throws -> ReplayRequest {
        let names = arms.keys.sorted().joined(separator: ", ")
        guard let slm, let llm else {
            throw CommandFailure.usage("--slm, --llm", "these data have arms, of which two are to be named: \(names)")
        }
        guard let small = arms[slm] else { throw CommandFailure("\(place): no arm \(slm) among \(names)") }
        guard let large = arms[llm] else { throw CommandFailure("\(place): no arm \(llm) among \(names)") }
        var request = ReplayRequest(
            id: form.id, cluster: form.source ?? "",
            slm: .init(quality: small.reward, cost: try Self.nano(small.costUsd, slm, place)),
            llm: .init(quality: large.reward, cost: try Self.nano(large.costUsd, llm, place)),
            signal: [small.reward])
        request.llmSignal = large.reward
        return request
    }

    private static func nano(_ usd: Double, _ what: String, _ place: String) throws -> Int64 {
        guard usd >= 0, usd < 1e6 else { throw CommandFailure("\(place): the cost of \(what) is no amount in USD") }
        return Int64((usd * 1e9).rounded(.up))
    }

    private static func reason(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" is not of its type"
        default: "not a JSON object"
        }
    }
}
