internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Inference
internal import Logging

/// Serves one model over HTTP as the gateway's engine does. `ops/bench inference` runs it beside llama-server.
@main
struct InferenceBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inference-bench", abstract: "The engine over HTTP, for comparison with its peer.",
        subcommands: [ServeCommand.self, HostCommand.self])
}

/// `inference-bench engine-host`: the child process, as `gboost engine-host` is.
struct HostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "engine-host", shouldDisplay: false)

    @Argument(parsing: .captureForPassthrough) var arguments: [String] = []

    func run() throws {
        EngineHost.run(try EngineHostOptions(arguments: arguments))
    }
}

/// `inference-bench serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Answers POST /v1/chat/completions until its standard input ends.")

    @Option(help: "The GGUF file.") var model: String
    @Option(help: "Threads of llama.cpp.") var threads = 1
    @Option(help: "Cells of context for all requests together.") var context = 8192
    @Option(help: "Requests that are worked on at the same time.") var parallel = 16

    func run() async throws {
        var settings = EngineSettings()
        settings.threads = threads
        settings.contextTokens = context
        settings.sequences = parallel
        settings.maxQueued = 1024
        let models = try EngineModels(
            settings: settings, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
        let engine = EngineModel(supervisor: try await models.supervisor(file: model))
        _ = try await engine.info()
        let listener = try BenchListener()
        listener.start { connection in
            guard let request = connection.request() else { return connection.close() }
            Task {
                await BenchAnswer(engine: engine, connection: connection).answer(request)
                connection.close()
            }
        }
        print(listener.port)
        fflush(nil)
        await listener.waitForEndOfInput()
        await models.shutdown()
    }
}

/// A request in OpenAI's format, as far as the benchmark uses it.
struct BenchRequest: Decodable, Sendable {
    struct Message: Decodable, Sendable {
        var role: String
        var content: String
    }
    var messages: [Message]
    var max_tokens: Int
    /// Candidates of one prompt.
    var n: Int?
    /// Whose prefixes may be found again.
    var tenant: Int64?
    /// Draft it step by step, with the reward of a shared head for each, as a boosted route does.
    var steps: Bool?
}

/// Answers one request: the text as it is drafted, then how many tokens it was.
struct BenchAnswer: Sendable {
    let engine: EngineModel
    let connection: BenchConnection

    func answer(_ request: BenchRequest) async {
        var engine = engine
        engine.scope = EngineScope(tenant: request.tenant ?? 1)
        let draft = DraftRequest(
            session: UUID(), messages: request.messages.map { ChatMessage(role: $0.role, content: $0.content) },
            answer: [], sampling: Sampling(temperature: request.n == nil ? 0 : 0.8), maxTokens: request.max_tokens,
            boundary: nil, wantsHidden: false)
        connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        do {
            var tokens = 0
            if request.steps == true {
                tokens = try await steps(draft, engine)
            } else if let count = request.n {
                tokens = try await engine.drafts(draft, candidates: count).reduce(0) { $0 + $1.tokens.count }
            } else {
                let connection = connection
                let whole = try await engine.stream(draft) { connection.write(Self.event($0)) }
                tokens = whole.tokens.count
            }
            connection.write("data: {\"choices\":[],\"usage\":{\"completion_tokens\":\(tokens)}}\n\ndata: [DONE]\n\n")
        } catch {
            FileHandle.standardError.write(Data("a request failed: \(error)\n".utf8))
            connection.write("data: {\"error\":\"failed\"}\n\n")
        }
    }

    /// Steps are sentences. Each is scored before it goes out, and the next one goes on from its tokens.
    private func steps(_ whole: DraftRequest, _ engine: EngineModel) async throws -> Int {
        let width = try await engine.info().embeddingLength
        let sha256 = String(repeating: "0", count: 64)
        let head = RewardHead(
            baseSHA256: sha256, weights: Array(repeating: 0.01, count: width), bias: 0,
            mean: Array(repeating: 0, count: width), scale: Array(repeating: 1, count: width),
            calibration: .identity, metrics: [:], seed: 0)
        let prm = try SharedHeadRewardModel(
            head: head, name: "bench", baseSHA256: sha256, embeddingLength: width)
        var request = whole
        request.boundary = .pattern("[.!?]\\s")
        request.wantsHidden = true
        var texts: [String] = []
        var count = 0
        while count < whole.maxTokens {
            request.maxTokens = whole.maxTokens - count
            let draft = try await engine.draft(request)
            // The answer was over already: there is no step to score.
            if draft.tokens.isEmpty { break }
            _ = try await prm.score(
                session: request.session, messages: request.messages, answer: texts, draft: draft)
            connection.write(Self.event(draft.text))
            count += draft.tokens.count
            texts.append(draft.text)
            request.answer.append(draft.segment)
            if draft.end == .answer { break }
        }
        await engine.end(session: request.session)
        return count
    }

    private static func event(_ text: String) -> String {
        let content = (try? String(decoding: JSONEncoder().encode(text), as: UTF8.self)) ?? "\"\""
        return "data: {\"choices\":[{\"delta\":{\"content\":\(content)}}]}\n\n"
    }
}
