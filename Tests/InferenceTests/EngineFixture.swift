import Foundation
import GatewayCore
import GatewayTesting
import Inference
import Logging
import Testing

/// Everything that asks the host that tests share, one at a time: answers depend a little on what else is in a decode.
@Suite("With the demo model", .serialized) struct ModelTests {}

/// What has hosts of its own, one test at a time, beside those that share one: a host works on one core, and what it
/// answers does not depend on what another host does.
@Suite("With hosts of their own", .serialized) struct HostTests {}

/// The demo model and the executable that hosts it.
enum EngineFixture {
    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    static let modelName = "SmolLM2-135M-Instruct.Q4_1.gguf"

    /// Path of the demo model.
    static func model() throws -> String {
        if let path = ProcessInfo.processInfo.environment["GBOOST_DEMO_SLM"] {
            guard FileManager.default.fileExists(atPath: path) else {
                throw Missing(description: "GBOOST_DEMO_SLM names \(path), which does not exist: run ops/setup")
            }
            return path
        }
        return try find(modelName, "the demo model")
    }

    /// llama.cpp's own command-line tool.
    static func commandLineTool() throws -> String {
        if let path = ProcessInfo.processInfo.environment["GBOOST_LLAMA_COMPLETION"] { return path }
        return try find("bin/llama-completion", "llama.cpp's command-line tool")
    }

    /// Chat templates and vocabularies out of llama.cpp's sources.
    static func samples() throws -> String {
        if let path = ProcessInfo.processInfo.environment["GBOOST_LLAMA_SAMPLES"] { return path }
        let file = try find("ggml-vocab-llama-bpe.gguf", "what llama.cpp's sources carry for tests")
        return URL(filePath: file).deletingLastPathComponent().path
    }

    /// Runs a program to its end; its output.
    static func run(_ executable: String, _ arguments: [String], input: Data) async throws -> Data {
        let directory = FileManager.default.temporaryDirectory.appending(path: "gboost-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (source, target) = (directory.appending(path: "in"), directory.appending(path: "out"))
        try input.write(to: source)
        try Data().write(to: target)
        let process = Process()
        process.executableURL = URL(filePath: executable)
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: source)
        process.standardOutput = try FileHandle(forWritingTo: target)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        guard process.terminationStatus == 0 else {
            throw Missing(description: "\(executable) ended with \(process.terminationStatus)")
        }
        return try Data(contentsOf: target)
    }

    private static func find(_ name: String, _ what: String) throws -> String {
        let cache = FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/gboost")
        let files = FileManager.default.enumerator(atPath: cache.path)
        while let file = files?.nextObject() as? String {
            if file.hasSuffix("/" + name) { return cache.appending(path: file).path }
        }
        throw Missing(description: "\(what) \(name) is not under \(cache.path): run ops/setup")
    }

    /// The `gboost` executable: named by the environment, or beside the test bundle.
    static func executable() throws -> String {
        if let path = ProcessInfo.processInfo.environment["GBOOST_EXECUTABLE"] { return path }
        let own = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        var directory = own.deletingLastPathComponent()
        while directory.path != "/" {
            let candidate = directory.appending(path: "gboost").path
            var isDirectory: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate, isDirectory: &isDirectory), !isDirectory.boolValue {
                return candidate
            }
            directory.deleteLastPathComponent()
        }
        throw Missing(description: "gboost is not built beside \(own.path): swift build --product gboost")
    }

    static func settings() throws -> EngineSettings {
        var settings = EngineSettings()
        settings.executable = try executable()
        settings.heartbeat = .milliseconds(100)
        return settings
    }

    static var quiet: Logger { Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }) }

    static func record(file: String, name: String = "demo") -> ModelRecord {
        ModelRecord(
            id: 1, tenantID: 1, name: name, kind: .slm, file: file, sha256: String(repeating: "a", count: 64))
    }

    /// Runs `body` with models of its own, and ends their hosts.
    static func withModels(
        _ settings: EngineSettings? = nil, _ body: (EngineModels) async throws -> Void
    ) async throws {
        let models = try EngineModels(settings: try settings ?? Self.settings(), logger: quiet)
        do {
            try await body(models)
        } catch {
            await models.shutdown()
            throw error
        }
        await models.shutdown()
    }

    static func waitUntil(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            try #require(ContinuousClock.now < deadline, "waited in vain")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// One host for all tests that leave it as they find it; it ends with this process.
    private static let shared = Result { () throws -> EngineModels in
        var settings = try Self.settings()
        // One that it makes for itself goes by a shutdown only. Sockets do not take every path.
        let directory = TestFiles.path("engine")
        if directory.utf8.count <= 70 { settings.directory = directory }
        return try EngineModels(settings: settings, logger: quiet)
    }

    /// The shared host's model for a tenant of its own, who finds nothing that another test has evaluated.
    static func sharedModel() async throws -> EngineModel {
        EngineModel(
            supervisor: try await shared.get().supervisor(file: model()),
            scope: EngineScope(tenant: .random(in: 1...Int64.max)))
    }

    /// Runs `body` with the demo model in a host of its own.
    static func withModel(
        _ settings: EngineSettings? = nil, _ body: (EngineModel, EngineSupervisor) async throws -> Void
    ) async throws {
        let file = try model()
        try await withModels(settings) { models in
            let supervisor = try await models.supervisor(file: file)
            try await body(EngineModel(supervisor: supervisor), supervisor)
        }
    }
}

extension DraftRequest {
    /// A question with the defaults of these tests.
    init(
        asking question: String, session: UUID = UUID(), answer: [AnswerSegment] = [], maxTokens: Int = 40,
        boundary: StepBoundary? = nil, stop: [String] = [], sampling: Sampling = Sampling(),
        wantsHidden: Bool = false
    ) {
        self.init(
            session: session, messages: [ChatMessage(role: "user", content: question)], answer: answer,
            sampling: sampling, maxTokens: maxTokens, boundary: boundary, stop: stop, wantsHidden: wantsHidden)
    }
}
