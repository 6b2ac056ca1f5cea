/// Which models are in memory, decided without I/O: who wants what goes in, and what to load, to unload and to grant
/// comes out.
///
/// A byte budget bounds what is in memory: what a model is charged is what its host was measured to take, and before
/// its first load what its file says. Whoever uses a model holds a *lease*; a model with leases is never unloaded.
/// Room is made by unloading idle models, least recently used first. Models that wait for room come in order, and
/// when the first has waited for long, models in use are given no new leases until it had its turn: nobody starves.
struct Residency {
    struct Limits: Hashable, Sendable {
        /// Bytes of all models in memory.
        var budget: Int64
        /// Leases that may wait.
        var maxWaiting = 256
        /// How long the first in the queue waits for idle models, before those in use have to make way.
        var patience = Duration.seconds(2)
    }

    enum Phase: Hashable, Sendable {
        /// Waits for room.
        case queued(since: Duration)
        case loading
        case resident
        /// In use for the last time: no new leases.
        case draining
        case unloading
    }

    enum Refusal: Hashable, Sendable {
        /// Never fits: bytes needed, bytes that could be had.
        case tooLarge(Int64, of: Int64)
        case overloaded
        case failed(String)
    }

    enum Action: Hashable, Sendable {
        case load(String)
        case unload(String)
        case grant(UInt64)
        case refuse(UInt64, Refusal)
        /// A model that was to be loaded, and that nobody waits for, is not.
        case skip(String, Refusal)
    }

    struct Model: Hashable, Sendable {
        var phase: Phase
        /// Bytes: measured, or expected before the first load.
        var charge: Int64
        var users = 0
        var waiting: [UInt64] = []
        var lastUsed: UInt64 = 0
        /// Loaded without anybody waiting: at the start, or by a command.
        var isWanted = false
        /// To be unloaded as soon as it can.
        var isUnwanted = false
    }

    private(set) var limits: Limits
    private(set) var models: [String: Model] = [:]
    /// Models that wait for room, in order.
    private(set) var queue: [String] = []
    private(set) var loads = 0
    private(set) var evictions = 0
    private(set) var waiting = 0
    private var pins: Set<String> = []
    /// The model of every lease, granted or waiting.
    private var leases: [UInt64: String] = [:]
    private var clock: UInt64 = 0

    init(limits: Limits) { self.limits = limits }

    /// Bytes of everything that is in memory, on its way there, or not gone yet.
    var committed: Int64 {
        models.values.reduce(0) { sum, model in
            if case .queued = model.phase { sum } else { sum + model.charge }
        }
    }

    func isPinned(_ key: String) -> Bool { pins.contains(key) }

    // MARK: - Leases

    /// Somebody wants to use a model that takes `bytes`.
    mutating func acquire(_ key: String, bytes: Int64, lease: UInt64, at now: Duration) -> [Action] {
        if models[key]?.phase == .resident {
            leases[lease] = key
            models[key]?.users += 1
            touch(key)
            return [.grant(lease)]
        }
        guard waiting < limits.maxWaiting else { return [.refuse(lease, .overloaded)] }
        if let refusal = refusal(key, bytes) { return [.refuse(lease, refusal)] }
        leases[lease] = key
        waiting += 1
        enqueue(key, bytes, now)
        models[key]?.waiting.append(lease)
        return makeRoom(now)
    }

    /// A lease ends, or is not waited for any more.
    mutating func release(_ lease: UInt64, at now: Duration) -> [Action] {
        guard let key = leases.removeValue(forKey: lease), var model = models[key] else { return [] }
        if let index = model.waiting.firstIndex(of: lease) {
            model.waiting.remove(at: index)
            waiting -= 1
            models[key] = model
            if case .queued = model.phase, model.waiting.isEmpty, !model.isWanted { forget(key) }
        } else {
            model.users -= 1
            models[key] = model
            touch(key)
        }
        return unloadIfDone(key) + makeRoom(now)
    }

    // MARK: - Commands

    /// Loads a model without anybody waiting for it.
    mutating func preload(_ key: String, bytes: Int64, at now: Duration) -> [Action] {
        models[key]?.isUnwanted = false
        if models[key]?.phase == .resident { return [] }
        if let refusal = refusal(key, bytes) { return [.skip(key, refusal)] }
        enqueue(key, bytes, now)
        models[key]?.isWanted = true
        return makeRoom(now)
    }

    /// Unloads a model as soon as nobody uses it; whoever waits for it gets it again afterwards.
    mutating func unload(_ key: String, at now: Duration) -> [Action] {
        guard let model = models[key] else { return [] }
        models[key]?.isWanted = false
        switch model.phase {
        case .queued:
            if model.waiting.isEmpty { forget(key) }
        case .loading: models[key]?.isUnwanted = true
        case .resident: models[key]?.phase = .draining
        case .draining, .unloading: break
        }
        return unloadIfDone(key) + makeRoom(now)
    }

    /// Pinned models are never evicted.
    mutating func pin(_ keys: Set<String>, at now: Duration) -> [Action] {
        pins = keys
        // A model that was on its way out because another wanted room stays.
        var actions: [Action] = []
        for key in keys.sorted() where models[key]?.phase == .draining {
            models[key]?.phase = .resident
            actions += grantWaiting(key)
        }
        return actions + makeRoom(now)
    }

    // MARK: - What happened

    /// A model is in memory and takes `bytes`.
    mutating func loaded(_ key: String, bytes: Int64, at now: Duration) -> [Action] {
        guard var model = models[key], model.phase == .loading else { return [] }
        model.phase = .resident
        model.charge = bytes
        model.isWanted = false
        let isUnwanted = model.isUnwanted
        model.isUnwanted = false
        models[key] = model
        var actions = grantWaiting(key)
        if isUnwanted { actions += unload(key, at: now) }
        return actions + shed() + makeRoom(now)
    }

    /// A model could not be loaded; its memory is free.
    mutating func failed(_ key: String, _ reason: String, at now: Duration) -> [Action] {
        guard let model = models[key], model.phase == .loading else { return [] }
        for lease in model.waiting { leases.removeValue(forKey: lease) }
        waiting -= model.waiting.count
        models.removeValue(forKey: key)
        return model.waiting.map { .refuse($0, .failed(reason)) } + makeRoom(now)
    }

    /// A model's memory is free.
    mutating func unloaded(_ key: String, at now: Duration) -> [Action] {
        guard let model = models[key], model.phase == .unloading else { return [] }
        if model.waiting.isEmpty, !model.isWanted {
            models.removeValue(forKey: key)
        } else {
            models[key]?.phase = .queued(since: now)
            queue.append(key)
        }
        return makeRoom(now)
    }

    /// A model in memory has been measured anew.
    mutating func measured(_ key: String, bytes: Int64, at now: Duration) -> [Action] {
        guard let phase = models[key]?.phase, phase == .resident || phase == .draining else { return [] }
        models[key]?.charge = bytes
        return shed() + makeRoom(now)
    }

    /// Time has passed.
    mutating func tick(at now: Duration) -> [Action] { makeRoom(now) }

    // MARK: - Room

    /// Idle models that may go, least recently used first.
    private var idle: [String] {
        models.filter { $0.value.phase == .resident && $0.value.users == 0 && !pins.contains($0.key) }
            .sorted { $0.value.lastUsed < $1.value.lastUsed }.map(\.key)
    }

    private mutating func makeRoom(_ now: Duration) -> [Action] {
        var actions: [Action] = []
        while let key = queue.first, let model = models[key], case .queued(let since) = model.phase {
            if let refusal = refusal(key, model.charge) {
                actions += refuse(key, refusal)
                continue
            }
            let missing = committed + model.charge - limits.budget
            if missing <= 0 {
                queue.removeFirst()
                models[key]?.phase = .loading
                loads += 1
                actions.append(.load(key))
                continue
            }
            actions += free(missing, isPatient: now - since < limits.patience)
            break
        }
        return actions
    }

    /// Makes `missing` bytes free besides those that are becoming free already.
    private mutating func free(_ missing: Int64, isPatient: Bool) -> [Action] {
        var missing = missing
        for model in models.values where model.phase == .draining || model.phase == .unloading {
            missing -= model.charge
        }
        let idle = idle
        let available = idle.reduce(Int64(0)) { $0 + (models[$1]?.charge ?? 0) }
        // Idle models alone do not suffice: they stay of use until those in use end.
        if isPatient, available < missing { return [] }
        var actions: [Action] = []
        for key in idle where missing > 0 {
            missing -= models[key]?.charge ?? 0
            actions.append(evict(key))
        }
        let busy = models.filter { $0.value.phase == .resident && !pins.contains($0.key) }
            .sorted { $0.value.lastUsed < $1.value.lastUsed }
        for (key, model) in busy where missing > 0 {
            missing -= model.charge
            models[key]?.phase = .draining
        }
        return actions
    }

    /// A model took more than expected: idle ones go until the rest fits.
    private mutating func shed() -> [Action] {
        var excess = committed - limits.budget
        for model in models.values where model.phase == .draining || model.phase == .unloading {
            excess -= model.charge
        }
        var actions: [Action] = []
        for key in idle where excess > 0 {
            excess -= models[key]?.charge ?? 0
            actions.append(evict(key))
        }
        return actions
    }

    private mutating func grantWaiting(_ key: String) -> [Action] {
        let granted = models[key]?.waiting ?? []
        models[key]?.waiting = []
        models[key]?.users += granted.count
        waiting -= granted.count
        touch(key)
        return granted.map { .grant($0) }
    }

    private mutating func evict(_ key: String) -> Action {
        models[key]?.phase = .unloading
        evictions += 1
        return .unload(key)
    }

    private mutating func unloadIfDone(_ key: String) -> [Action] {
        guard let model = models[key], model.phase == .draining, model.users == 0 else { return [] }
        return [evict(key)]
    }

    private func refusal(_ key: String, _ bytes: Int64) -> Refusal? {
        let pinned = models.filter { pins.contains($0.key) && $0.key != key && $0.value.phase == .resident }
            .reduce(Int64(0)) { $0 + $1.value.charge }
        return bytes > limits.budget - pinned ? .tooLarge(bytes, of: limits.budget - pinned) : nil
    }

    private mutating func refuse(_ key: String, _ refusal: Refusal) -> [Action] {
        let leases = models[key]?.waiting ?? []
        forget(key)
        waiting -= leases.count
        for lease in leases { self.leases.removeValue(forKey: lease) }
        return leases.isEmpty ? [.skip(key, refusal)] : leases.map { .refuse($0, refusal) }
    }

    private mutating func enqueue(_ key: String, _ bytes: Int64, _ now: Duration) {
        guard models[key] == nil else { return }
        models[key] = Model(phase: .queued(since: now), charge: bytes)
        queue.append(key)
    }

    private mutating func forget(_ key: String) {
        models.removeValue(forKey: key)
        queue.removeAll { $0 == key }
    }

    private mutating func touch(_ key: String) {
        clock += 1
        models[key]?.lastUsed = clock
    }
}
