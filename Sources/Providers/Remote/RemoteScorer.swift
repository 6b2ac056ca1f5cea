package import Curl
package import Foundation
package import GatewayCore
internal import WireFormat

/// A process reward model that another server holds and serves as numbers, not as words: vLLM's pooling endpoints.
///
/// `/pooling` gets the conversation with the steps, each with its mark behind it, and answers with the probabilities
/// at the marks; `/score` gets question and answer. What is no probability is no reward.
package struct RemoteScorer: ProcessRewardModel {
    private static let maxAnswerBytes = 1 << 20
    private static let timeouts = CurlTimeouts(
        connect: .seconds(5), firstByte: .seconds(60), idle: .seconds(30), total: .seconds(120))

    private let endpoint: RemoteEndpoint
    private let kind: RemoteEndpoint.Reward
    private let key: Secret?
    private let client: CurlClient

    /// - Parameter key: sent as `Authorization: Bearer …`; nil: none is.
    package init(_ endpoint: RemoteEndpoint, kind: RemoteEndpoint.Reward, key: Secret?, client: CurlClient) {
        self.endpoint = endpoint
        self.kind = kind
        self.key = key
        self.client = client
    }

    package var needsHidden: Bool { false }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], draft: StepDraft
    ) async throws -> ProcessReward {
        let rewards = try await score(session: session, messages: messages, answer: answer, candidates: [draft])
        guard let reward = rewards.first else { throw LocalModelError.interrupted }
        return reward
    }

    package func score(
        session: UUID, messages: [ChatMessage], answer: [String], candidates: [StepDraft]
    ) async throws -> [ProcessReward] {
        let values: [Double]
        switch kind {
        case .score: values = try await scores(messages, answers: candidates.map { answer.joined() + $0.text })
        case .pooling:
            values = try await withThrowingTaskGroup(of: (Int, Double).self) { group in
                for (index, draft) in candidates.enumerated() {
                    group.addTask { (index, try await pooled(messages, steps: answer + [draft.text])) }
                }
                return try await group.reduce(into: Array(repeating: 0, count: candidates.count)) { $0[$1.0] = $1.1 }
            }
        }
        guard values.count == candidates.count, values.allSatisfy({ (0...1).contains($0) }) else {
            throw LocalModelError.unavailable("\(endpoint.model) gives rewards that are no probabilities")
        }
        return values.map { ProcessReward(raw: $0, calibrated: $0) }
    }

    /// The probability at the last step's mark.
    private func pooled(_ messages: [ChatMessage], steps: [String]) async throws -> Double {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", endpoint.model)
        writer.key("messages")
        writer.beginArray()
        let answer = steps.map { $0.trimmingCharacters(in: .newlines) + endpoint.stepMark }.joined()
        for message in messages + [ChatMessage(role: "assistant", content: answer)] {
            writer.beginObject()
            writer.member("role", message.role)
            writer.member("content", message.content)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        let root = try await ask("/pooling", writer.bytes).root
        let last = root["data"]?.elements.first?["data"]?.elements.last
        // Of two classes the second is the good one.
        guard let value = last?.double ?? last?.elements.last?.double else { throw LocalModelError.interrupted }
        return value
    }

    private func scores(_ messages: [ChatMessage], answers: [String]) async throws -> [Double] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", endpoint.model)
        writer.member("text_1", messages.filter { $0.role != "system" }.map(\.content).joined(separator: "\n\n"))
        writer.key("text_2")
        writer.beginArray()
        for answer in answers { writer.string(answer) }
        writer.endArray()
        writer.endObject()
        let rows = try await ask("/score", writer.bytes).root["data"]?.elements ?? []
        var values = Array(repeating: Double.nan, count: answers.count)
        for (place, row) in rows.enumerated() {
            let index = row["index"]?.integer.map { Int($0) } ?? place
            if values.indices.contains(index), let value = row["score"]?.double { values[index] = value }
        }
        return values
    }

    private func ask(_ path: String, _ body: [UInt8]) async throws -> JSONDocument {
        // These paths stand beside the version, not below it.
        var base = endpoint.baseURL
        while base.hasSuffix("/") { base.removeLast() }
        if base.hasSuffix("/v1") { base.removeLast(3) }
        var headers = [(name: "Content-Type", value: "application/json"), (name: "Accept", value: "application/json")]
        if let key { headers.append((name: "Authorization", value: "Bearer \(key.revealed)")) }
        do {
            let response = try await client.open(
                CurlRequest(
                    method: .post, url: base + path, headers: headers, body: body, timeouts: Self.timeouts,
                    maxResponseBytes: Self.maxAnswerBytes))
            var answer: [UInt8] = []
            while let more = try await response.next() { answer += more }
            guard (200..<300).contains(response.status) else {
                throw LocalModelError.unavailable("\(endpoint.model): \(path) answered with \(response.status)")
            }
            return try JSONDocument(answer)
        } catch let error as LocalModelError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw LocalModelError.interrupted
        }
    }
}
