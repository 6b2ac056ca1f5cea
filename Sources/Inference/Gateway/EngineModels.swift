internal import Foundation
package import GatewayCore
internal import Glibc
package import Logging

/// The local models of all tenants: one engine host for each distinct model file.
package actor EngineModels: LocalModels {
    private let settings: EngineSettings
    private let logger: Logger
    private let loop = EngineLoop()
    private let directory: String
    private let ownsDirectory: Bool
    private var supervisors: [String: EngineSupervisor] = [:]
    private var heads: [String: RewardHead] = [:]
    private var isShutDown = false

    /// - Throws: `LocalModelError.unavailable` where no directory for the sockets can be made.
    package init(settings: EngineSettings = EngineSettings(), logger: Logger) throws(LocalModelError) {
        self.settings = settings
        self.logger = logger
        if let directory = settings.directory {
            self.directory = directory
            ownsDirectory = false
            mkdir(directory, 0o700)
        } else {
            var template = Array("/tmp/gboost-engine-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw .unavailable("no directory for the engine's sockets in /tmp") }
            directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            ownsDirectory = true
        }
    }

    package func slm(_ record: ModelRecord) async throws(LocalModelError) -> any SmallLanguageModel {
        try EngineModel(supervisor: supervisor(file: record.file), scope: scope(record))
    }

    /// The host of a model file; made if there is none, not started before its first use.
    package func supervisor(file: String) throws(LocalModelError) -> EngineSupervisor {
        guard !isShutDown else { throw .unavailable("the engine is shut down") }
        if let supervisor = supervisors[file] { return supervisor }
        if let problem = GGUFHeader.problem(path: file) { throw .unavailable(problem) }
        var options = EngineHostOptions(model: file, socket: "\(directory)/\(supervisors.count).sock")
        options.threads = settings.threads
        options.contextTokens = settings.contextTokens
        options.sequences = settings.sequences
        options.batchTokens = settings.batchTokens
        options.maxQueued = settings.maxQueued
        let supervisor = EngineSupervisor(options: options, settings: settings, loop: loop, logger: logger)
        supervisors[file] = supervisor
        return supervisor
    }

    package func prm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        switch record.rewardKind {
        case .sharedHead:
            guard let base else { throw .unavailable("\(record.name): a shared head needs its base model") }
            let head = try head(record)
            let width = try await embeddingLength(file: base.file)
            return try SharedHeadRewardModel(
                head: head, name: record.name, baseSHA256: base.sha256, embeddingLength: width)
        case .head:
            guard let base else { throw .unavailable("\(record.name): a head needs its base model") }
            let model = EngineModel(
                supervisor: try supervisor(file: base.file), scope: scope(record))
            return try HeadRewardModel(
                head: try head(record), name: record.name, base: base, model: model,
                embeddingLength: try await embeddingLength(file: base.file))
        case .tokens:
            let settings = try TokensRewardSettings(besides: record.file)
            return try TokensRewardModel(
                supervisor: supervisor(file: record.file), settings: settings,
                scope: scope(record))
        case nil:
            throw .unavailable("\(record.name) is no process reward model")
        }
    }

    /// States of all hosts, by model file.
    package func statuses() async -> [String: HostStatus] {
        var result: [String: HostStatus] = [:]
        for (file, supervisor) in supervisors {
            if let status = await supervisor.status { result[file] = status }
        }
        return result
    }

    /// Ends all hosts, each in order, and waits until they are gone.
    package func shutdown() async {
        isShutDown = true
        await withTaskGroup(of: Void.self) { group in
            for supervisor in supervisors.values { group.addTask { await supervisor.shutdown() } }
        }
        if ownsDirectory { try? FileManager.default.removeItem(atPath: directory) }
    }

    private func scope(_ record: ModelRecord) -> EngineScope {
        EngineScope(tenant: record.tenantID, weight: settings.weights[record.tenantID] ?? 1)
    }

    private func head(_ record: ModelRecord) throws(LocalModelError) -> RewardHead {
        let key = record.sha256 + record.file
        if let head = heads[key] { return head }
        do {
            let head = try RewardHead(contentsOf: record.file)
            heads[key] = head
            return head
        } catch {
            throw .unavailable(error.description)
        }
    }

    private func embeddingLength(file: String) async throws(LocalModelError) -> Int {
        do {
            return try await supervisor(file: file).info().embeddingLength
        } catch let error as LocalModelError {
            throw error
        } catch {
            throw .interrupted
        }
    }
}
