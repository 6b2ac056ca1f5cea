internal import Foundation
package import GatewayCore
internal import Logging

/// What models take of the memory that they may have.
package struct ModelMemory: Hashable, Sendable {
    package var budgetBytes: Int64
    /// Measured, for what is in memory; expected, for what is being loaded.
    package var bytes: Int64
    package var resident: Int
    /// Requests that wait for a model to be in memory.
    package var waiting: Int
    package var loads: Int
    package var evictions: Int
    package var failures: Int
}

extension EngineModels {
    /// What models take of the memory that they may have.
    package var memory: ModelMemory {
        let counts = store.counts
        return ModelMemory(
            budgetBytes: counts.budget, bytes: counts.committed, resident: counts.resident, waiting: counts.waiting,
            loads: counts.loads, evictions: counts.evictions, failures: counts.failures)
    }

    /// Follows the catalog: pinned models are loaded and stay, orders are carried out once, and what is registered no
    /// more goes.
    ///
    /// - Parameter before: the records of the last time; none at the start, where orders to unload are old.
    package func follow(_ records: [ModelRecord], before: [ModelRecord]) async {
        let hosted = records.filter(Self.isHosted)
        var known: [Int64: ModelOrder] = [:]
        for record in before { known[record.id] = record.order ?? ModelOrder(action: .unload, number: 0) }
        var loads = hosted.filter { record in
            record.isPinned && before.first { $0.id == record.id }?.isPinned != true
        }
        for record in hosted {
            guard let order = record.order, order.number > known[record.id]?.number ?? 0 else { continue }
            switch order.action {
            case .load: loads.append(record)
            case .unload: if known[record.id] != nil { await unload(record) }
            }
        }
        store.pin(Set(hosted.filter(\.isPinned).map { Self.key($0.file, $0.sha256) }))
        for record in loads { await load(record) }
        let kept = Set(hosted.map { Self.key($0.file, $0.sha256) })
        for record in before where !kept.contains(Self.key(record.file, record.sha256)) { await unload(record) }
    }

    /// Whether a model has a host of its own here.
    package static func isHosted(_ record: ModelRecord) -> Bool {
        (record.kind == .slm || record.rewardKind == .tokens) && !RemoteEndpoint.isMeant(record.file)
    }

    /// Where a model is now.
    package func place(of record: ModelRecord) -> ModelPlace {
        guard Self.isHosted(record) else { return ModelPlace(phase: .elsewhere) }
        return store.place(of: Self.key(record.file, record.sha256))
    }

    /// Loads a model without a request for it. One that cannot be loaded is reported, and leaves the rest alone.
    package func load(_ record: ModelRecord) async {
        do {
            let supervisor = try await supervisor(file: record.file, sha256: record.sha256)
            store.preload(supervisor.residence.key, bytes: supervisor.residence.expectedBytes)
        } catch {
            logger.error("a model cannot be loaded", metadata: ["model": "\(record.name)", "why": "\(error)"])
        }
    }

    /// Takes a model out of memory as soon as nobody uses it.
    package func unload(_ record: ModelRecord) async {
        store.unloadWhenIdle(Self.key(record.file, record.sha256))
    }
}
