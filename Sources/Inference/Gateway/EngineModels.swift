internal import Foundation
package import GatewayCore
internal import Glibc
package import Logging

/// The local models of all tenants: one engine host for each distinct model file.
package actor EngineModels: LocalModels {
    private let settings: EngineSettings
    let logger: Logger
    private let loop = EngineLoop()
    private let directory: String
    /// That directory, where nobody has named one.
    private var own: EngineDirectory?
    let store: ModelStore
    private let verifier: FileVerifier
    private let table = SupervisorTable()
    private var supervisors: [String: EngineSupervisor] = [:]
    private var heads: [String: RewardHeadFile] = [:]
    private let readings = ReadingMemory()
    private var weights: [Int64: Int]
    private var isShutDown = false

    /// - Throws: `LocalModelError.unavailable` where no directory for the sockets can be made.
    package init(settings: EngineSettings = EngineSettings(), logger: Logger) throws(LocalModelError) {
        self.settings = settings
        self.logger = logger
        weights = settings.weights
        verifier = FileVerifier(digest: settings.digest)
        let limits = Residency.Limits(
            budget: settings.memoryBytes, maxWaiting: settings.maxWaiting, patience: settings.evictionPatience)
        store = ModelStore(
            limits: limits, waitLimit: settings.readinessLimit, logger: logger,
            load: { [table] key in
                guard let supervisor = table[key] else { throw LocalModelError.unavailable("the engine is shut down") }
                return try await supervisor.load()
            },
            unload: { [table] key in await table[key]?.unload() })
        if let directory = settings.directory {
            self.directory = directory
            mkdir(directory, 0o700)
        } else {
            guard let own = EngineDirectory.make() else {
                throw .unavailable("no directory for the engine's sockets in /tmp")
            }
            directory = own.path
            self.own = own
        }
    }

    package func slm(
        _ record: ModelRecord, base: ModelRecord?
    ) async throws(LocalModelError) -> any SmallLanguageModel {
        try await model(BaseFiles(record, below: base), scope: scope(record))
    }

    /// A model file, with an adapter over it or without, that nobody has registered.
    package func model(file: String, adapter: String?) async throws(LocalModelError) -> EngineModel {
        try await model(
            BaseFiles(model: .init(path: file), adapter: adapter.map { .init(path: $0) }), scope: EngineScope())
    }

    private func model(_ files: BaseFiles, scope: EngineScope) async throws(LocalModelError) -> EngineModel {
        // Hosts know adapters by their path: what is behind it is checked here.
        if let adapter = files.adapter { try await verifier.verifyAdapter(adapter.path, sha256: adapter.sha256) }
        let supervisor = try await supervisor(file: files.model.path, sha256: files.model.sha256)
        guard let adapter = files.adapter else { return EngineModel(supervisor: supervisor, scope: scope) }
        var scope = scope
        do {
            scope.adapter = try await supervisor.shelf.place(adapter.path, sha256: adapter.sha256 ?? "")
        } catch {
            throw .unavailable("\(adapter.path) cannot be handed to the engine host")
        }
        return EngineModel(supervisor: supervisor, scope: scope)
    }

    /// The host of a model file; made if there is none, not started before its first use.
    ///
    /// - Parameter sha256: as registered; the file is compared with it before it is loaded.
    package func supervisor(file: String, sha256: String? = nil) async throws(LocalModelError) -> EngineSupervisor {
        let key = Self.key(file, sha256)
        if !isShutDown, let supervisor = supervisors[key] { return supervisor }
        let header: GGUFFile
        do throws(ModelFailure) { header = try await GGUFFile.checked(file) } catch {
            throw .unavailable(error.description)
        }
        guard !isShutDown else { throw .unavailable("the engine is shut down") }
        if let supervisor = supervisors[key] { return supervisor }
        var options = EngineHostOptions(model: file, socket: "\(directory)/\(supervisors.count).sock")
        options.threads = settings.threads
        options.contextTokens = settings.contextTokens
        options.sequences = settings.sequences
        options.keptSequences = settings.keptSequences
        options.promptChunk = settings.promptChunk
        options.batchTokens = settings.batchTokens
        options.maxQueued = settings.maxQueued
        options.memoryLimit = settings.hostMemoryLimit
        let shelf = AdapterShelf(directory: "\(directory)/\(supervisors.count).adapters")
        options.readable = [shelf.directory]
        options.adapters = settings.adapters
        options.adapterMebibytes = settings.adapterMebibytes
        let residence = ModelResidence(
            store: store, key: key, expectedBytes: header.hostBytes(contextTokens: options.contextTokens),
            verifier: verifier, sha256: sha256)
        let supervisor = EngineSupervisor(
            options: options, settings: settings, loop: loop, logger: logger, residence: residence, shelf: shelf)
        supervisors[key] = supervisor
        table[key] = supervisor
        return supervisor
    }

    static func key(_ file: String, _ sha256: String?) -> String {
        sha256.map { "\(file)#\($0.prefix(16))" } ?? file
    }

    package func prm(
        _ record: ModelRecord, base: ModelRecord?, below: ModelRecord?
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        switch record.rewardKind {
        case .sharedHead, .head:
            guard let base else { throw .unavailable("\(record.name): a head needs its base model") }
            return try await headModel(record, base: try BaseFiles(base, below: below))
        case .tokens:
            // Settings that were written over decide otherwise than those that the model was registered with.
            let settings = try TokensRewardSettings(besides: record.file, sha256: record.settingsSHA256)
            return try TokensRewardModel(
                supervisor: await supervisor(file: record.file, sha256: record.sha256), settings: settings,
                scope: scope(record))
        case nil:
            throw .unavailable("\(record.name) is no process reward model")
        }
    }

    /// One host as monitoring sees it.
    package struct HostView: Sendable {
        package var starts: Int
        package var crashes: Int
        /// What it said last; nil while it does not answer.
        package var status: HostStatus?
    }

    /// All hosts that were ever wanted, by model file.
    package func hosts() async -> [String: HostView] {
        var result: [String: HostView] = [:]
        for (key, supervisor) in supervisors {
            guard let file = key.split(separator: "#").first else { continue }
            result[String(file)] = HostView(
                starts: await supervisor.starts, crashes: await supervisor.crashes, status: await supervisor.status)
        }
        return result
    }

    /// Ends all hosts, each in order, and waits until they are gone.
    package func shutdown() async {
        isShutDown = true
        await withTaskGroup(of: Void.self) { group in
            for supervisor in supervisors.values { group.addTask { await supervisor.shutdown() } }
        }
        own?.remove()
        own = nil
    }

    /// Gives tenants other shares, from their next requests on.
    package func setWeights(_ weights: [Int64: Int]) { self.weights = weights }

    private func scope(_ record: ModelRecord) -> EngineScope { scope(tenant: record.tenantID) }

    /// What a tenant's requests may have of a host.
    func scope(tenant: Int64) -> EngineScope {
        var scope = EngineScope(tenant: tenant, weight: weights[tenant] ?? 1)
        scope.deadlineMilliseconds = settings.deadline.map(EngineModel.milliseconds)
        return scope
    }

    private func headModel(
        _ record: ModelRecord, base: BaseFiles
    ) async throws(LocalModelError) -> any ProcessRewardModel {
        let width = try await embeddingLength(base.model)
        switch try await head(record) {
        case .state(let head) where record.rewardKind == .sharedHead:
            guard head.frame == nil else {
                throw .unavailable("\(record.name): field \"frame\" needs a model that reads: the kind is head")
            }
            return try SharedHeadRewardModel(
                head: head, name: record.name, baseSHA256: base.identity, embeddingLength: width)
        case .state(let head):
            return try HeadRewardModel(
                head: head, name: record.name, baseSHA256: base.identity,
                model: try await model(base, scope: scope(record)), embeddingLength: width)
        case .answer(let head):
            return try AnswerHeadRewardModel(
                head: head, name: record.name, baseSHA256: base.identity,
                model: try await model(base, scope: scope(record)), embeddingLength: width, memory: readings)
        }
    }

    private func head(_ record: ModelRecord) async throws(LocalModelError) -> RewardHeadFile {
        let key = record.sha256 + record.file
        if let head = heads[key] { return head }
        // One that was written over decides otherwise than the one that the audit names.
        try await verifier.verify(record.file, sha256: record.sha256)
        do {
            let head = try RewardHeadFile(contentsOf: record.file)
            heads[key] = head
            return head
        } catch {
            throw .unavailable(error.description)
        }
    }

    private func embeddingLength(_ base: BaseFiles.File) async throws(LocalModelError) -> Int {
        do {
            return try await supervisor(file: base.path, sha256: base.sha256).info().embeddingLength
        } catch let error as LocalModelError {
            throw error
        } catch {
            throw .interrupted
        }
    }
}
