import Curl
import Foundation
import GatewayTesting
import HTTPTypes
import Logging
import ServiceLifecycle
import SimulatedProvider

/// A running provider with a bill in a directory of its own, and a client to it.
struct ProviderHarness: Sendable {
    let port: Int
    let bill: URL
    let server: SimulatedProviderServer

    static func with(
        _ change: @Sendable (inout SimulatedProviderOptions) -> Void = { _ in }, bill: URL? = nil,
        _ body: @Sendable (ProviderHarness) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sim-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var options = SimulatedProviderOptions()
        options.billFile = bill ?? folder.appending(path: "bill.jsonl")
        change(&options)
        var logger = Logger(label: "sim")
        logger.logLevel = .error
        let server = try SimulatedProviderServer(options: options, logger: logger)
        let group = ServiceGroup(services: [server], logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let port = try await server.boundPort()
            let bill = options.billFile ?? folder
            let result = await Result { try await body(ProviderHarness(port: port, bill: bill, server: server)) }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try result.get()
        }
    }

    var lines: [SimulatedBill.Line] { get throws { try SimulatedBill.read(bill) } }

    var client: ProviderClient { ProviderClient(port: port) }

    func send(
        _ method: CurlMethod, _ path: String, body: String = "", headers: [String: String] = [:]
    ) async throws -> ProviderResponse {
        try await client.send(method, path, body: body, headers: headers)
    }

    /// Asks one question.
    func ask(
        _ text: String, model: String = "sim-large", more: String = "", headers: [String: String] = [:]
    ) async throws -> Answer {
        let quoted = String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
        let body = #"{"model":"\#(model)","messages":[{"role":"user","content":\#(quoted)}]\#(more)}"#
        return Answer(try await send(.post, "/v1/chat/completions", body: body, headers: headers))
    }
}

extension Result where Failure == any Error, Success: Sendable {
    init(catching body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}

/// What came back, streaming or not.
struct Answer: Sendable {
    struct Usage: Codable, Hashable {
        var prompt_tokens: Int
        var completion_tokens: Int
    }
    struct Message: Codable { var content: String? }
    struct Choice: Codable {
        var delta: Message?
        var message: Message?
        var finish_reason: String?
    }
    struct Chunk: Codable {
        var choices: [Choice]
        var usage: Usage?
    }

    var status: Int
    var headers: HTTPFields
    var body: String
    /// The parts that are JSON of an answer.
    var chunks: [Chunk]
    var isDone: Bool

    init(_ response: ProviderResponse) {
        status = response.status.code
        headers = response.headers
        body = response.body
        let events = body.components(separatedBy: "\n\n").filter { !$0.isEmpty }
        let isStream = body.hasPrefix("data: ")
        isDone = !isStream || events.last == "data: [DONE]"
        let texts = isStream ? events.map { String($0.dropFirst(6)) } : [body]
        chunks = texts.compactMap { try? JSONDecoder().decode(Chunk.self, from: Data($0.utf8)) }
    }

    var text: String {
        chunks.flatMap(\.choices).compactMap { $0.delta?.content ?? $0.message?.content }.joined()
    }
    var finishReason: String? { chunks.flatMap(\.choices).compactMap(\.finish_reason).last }
    var usages: [Usage] { chunks.compactMap(\.usage) }
}
