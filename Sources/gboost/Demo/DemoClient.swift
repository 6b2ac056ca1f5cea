internal import Curl
internal import Foundation

/// An answer as a client sees it, with the gateway's own facts beside it.
struct DemoAnswer: Sendable {
    struct Step: Sendable {
        var source: String
        var text: String
        var decision: String
        var reward: Double?
        var costUSD: String?
    }
    var text: String
    var servedBy: String
    var escalations: Int
    var costUSD: String
    var costNanoUSD: Int
    var budgetLeftUSD: String
    var steps: [Step]
}

/// Speaks to the demo's gateway over HTTP, like any client.
struct DemoClient: Sendable {
    let curl: CurlClient
    let port: Int
    let key: String

    func ask(_ question: String, model: String, valueUSD: String?) async throws -> DemoAnswer {
        let body = try JSONSerialization.data(withJSONObject: [
            "model": model, "messages": [["role": "user", "content": question]], "max_tokens": 400, "temperature": 0,
        ])
        var headers = [
            (name: "Authorization", value: "Bearer \(key)"), (name: "Content-Type", value: "application/json"),
        ]
        if let valueUSD { headers.append((name: "x-gboost-value-usd", value: valueUSD)) }
        var request = CurlRequest(
            url: "http://127.0.0.1:\(port)/v1/chat/completions", headers: headers, body: Array(body))
        request.timeouts.firstByte = .seconds(300)
        request.timeouts.idle = .seconds(300)
        let response = try await curl.open(request)
        var bytes: [UInt8] = []
        while let piece = try await response.next() { bytes += piece }
        let text = String(decoding: bytes, as: UTF8.self)
        guard response.status == 200 else { throw CommandFailure("the gateway answered \(response.status): \(text)") }
        guard let json = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
            let answer = Self.answer(json)
        else { throw CommandFailure("the gateway's answer has an unexpected form: \(text.prefix(300))") }
        return answer
    }

    private static func answer(_ json: [String: Any]) -> DemoAnswer? {
        let choice = (json["choices"] as? [[String: Any]])?.first
        guard let content = (choice?["message"] as? [String: Any])?["content"] as? String,
            let facts = json["gboost"] as? [String: Any], let servedBy = facts["served_by"] as? String
        else { return nil }
        let steps = (facts["steps"] as? [[String: Any]] ?? []).map { step in
            let action = step["action"] as? String ?? ""
            let reason = (step["reason"] as? String).map { " (\($0))" } ?? ""
            return DemoAnswer.Step(
                source: step["source"] as? String ?? "",
                text: (step["text"] as? String ?? "").trimmingCharacters(in: .whitespacesAndNewlines),
                decision: action + reason, reward: step["reward"] as? Double, costUSD: step["cost_usd"] as? String)
        }
        return DemoAnswer(
            text: content, servedBy: servedBy, escalations: facts["escalations"] as? Int ?? 0,
            costUSD: facts["cost_usd"] as? String ?? "", costNanoUSD: facts["cost_nano_usd"] as? Int ?? 0,
            budgetLeftUSD: facts["budget_remaining_usd"] as? String ?? "unknown", steps: steps)
    }
}
