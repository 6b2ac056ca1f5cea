import Foundation
import GatewayTesting
import Testing

@testable import Inference

@Suite("Which models are in memory")
struct ResidencyTests {
    private func residency(_ budget: Int64, patience: Duration = .seconds(2)) -> Residency {
        Residency(limits: .init(budget: budget, maxWaiting: 8, patience: patience))
    }

    @Test("Many who want the same model share one load")
    func singleFlight() {
        var residency = residency(100)
        #expect(residency.acquire("a", bytes: 60, lease: 1, at: .zero) == [.load("a")])
        #expect(residency.acquire("a", bytes: 60, lease: 2, at: .zero) == [])
        #expect(residency.loaded("a", bytes: 50, at: .zero) == [.grant(1), .grant(2)])
        #expect(residency.committed == 50)
        #expect(residency.acquire("a", bytes: 60, lease: 3, at: .zero) == [.grant(3)])
    }

    @Test("The least recently used idle model makes way, never one in use or pinned")
    func leastRecentlyUsed() {
        var residency = residency(100)
        for (lease, key) in [(UInt64(1), "a"), (2, "b"), (3, "c")] {
            #expect(residency.acquire(key, bytes: 30, lease: lease, at: .zero) == [.load(key)])
            _ = residency.loaded(key, bytes: 30, at: .zero)
        }
        _ = residency.pin(["a"], at: .zero)
        for lease in [UInt64(1), 3, 2] { #expect(residency.release(lease, at: .zero) == []) }
        // a is pinned, c was used before b.
        #expect(residency.acquire("d", bytes: 40, lease: 4, at: .zero) == [.unload("c")])
        #expect(residency.unloaded("c", at: .zero) == [.load("d")])
        #expect(residency.loaded("d", bytes: 40, at: .zero) == [.grant(4)])
        #expect(residency.acquire("b", bytes: 30, lease: 5, at: .zero) == [.grant(5)])
        // Nothing is idle: e waits until something is.
        #expect(residency.acquire("e", bytes: 30, lease: 6, at: .zero) == [])
        #expect(residency.release(4, at: .zero) == [.unload("d")])
    }

    @Test("What can never fit is refused at once, and a full queue says so")
    func refusals() {
        var residency = residency(100)
        #expect(
            residency.acquire("big", bytes: 101, lease: 1, at: .zero) == [.refuse(1, .tooLarge(101, of: 100))])
        #expect(residency.acquire("a", bytes: 60, lease: 2, at: .zero) == [.load("a")])
        for lease in UInt64(3)...9 { #expect(residency.acquire("a", bytes: 60, lease: lease, at: .zero) == []) }
        #expect(residency.acquire("a", bytes: 60, lease: 10, at: .zero) == [.refuse(10, .overloaded)])
        #expect(residency.failed("a", "bad", at: .zero).first == .refuse(2, .failed("bad")))
        #expect(residency.committed == 0)
        #expect(residency.waiting == 0)
        _ = residency.acquire("a", bytes: 60, lease: 11, at: .zero)
        _ = residency.pin(["a"], at: .zero)
        _ = residency.loaded("a", bytes: 60, at: .zero)
        #expect(residency.acquire("b", bytes: 50, lease: 12, at: .zero) == [.refuse(12, .tooLarge(50, of: 40))])
        #expect(residency.preload("b", bytes: 50, at: .zero) == [.skip("b", .tooLarge(50, of: 40))])
    }

    @Test("A model that others never let fall idle makes way once the first in the queue has waited for long")
    func patience() {
        var residency = residency(100)
        _ = residency.acquire("a", bytes: 80, lease: 1, at: .zero)
        _ = residency.loaded("a", bytes: 80, at: .zero)
        #expect(residency.acquire("b", bytes: 80, lease: 2, at: .zero) == [])
        #expect(residency.acquire("a", bytes: 80, lease: 3, at: .seconds(1)) == [.grant(3)])
        #expect(residency.release(1, at: .seconds(1)) == [])
        #expect(residency.tick(at: .seconds(2)) == [])
        #expect(residency.acquire("a", bytes: 80, lease: 4, at: .seconds(3)) == [])
        #expect(residency.release(3, at: .seconds(4)) == [.unload("a")])
        #expect(residency.unloaded("a", at: .seconds(4)) == [.load("b")])
        #expect(residency.loaded("b", bytes: 80, at: .seconds(5)) == [.grant(2)])
        // And a has its turn after it.
        #expect(residency.release(2, at: .seconds(5)) == [.unload("b")])
        #expect(residency.unloaded("b", at: .seconds(5)) == [.load("a")])
        #expect(residency.loaded("a", bytes: 80, at: .seconds(5)) == [.grant(4)])
    }

    @Test("A model that takes more than expected costs the idle ones")
    func growth() {
        var residency = residency(100)
        for (lease, key) in [(UInt64(1), "a"), (2, "b")] {
            _ = residency.acquire(key, bytes: 40, lease: lease, at: .zero)
            _ = residency.loaded(key, bytes: 40, at: .zero)
        }
        _ = residency.release(1, at: .zero)
        #expect(residency.measured("b", bytes: 70, at: .zero) == [.unload("a")])
        #expect(residency.measured("b", bytes: 80, at: .zero) == [])
        #expect(residency.unloaded("a", at: .zero) == [])
        #expect(residency.committed == 80)
    }

    @Test("Commands load and unload, but nobody loses a model in use")
    func commands() {
        var residency = residency(100)
        #expect(residency.preload("a", bytes: 40, at: .zero) == [.load("a")])
        #expect(residency.loaded("a", bytes: 40, at: .zero) == [])
        #expect(residency.acquire("a", bytes: 40, lease: 1, at: .zero) == [.grant(1)])
        #expect(residency.unload("a", at: .zero) == [])
        #expect(residency.acquire("a", bytes: 40, lease: 2, at: .zero) == [])
        #expect(residency.release(1, at: .zero) == [.unload("a")])
        #expect(residency.unloaded("a", at: .zero) == [.load("a")])
        #expect(residency.loaded("a", bytes: 40, at: .zero) == [.grant(2)])
    }

    private static let sequences = Int(ProcessInfo.processInfo.environment["SEQUENCES"] ?? "") ?? 400

    @Test("Whatever happens in whatever order: within the budget, nothing in use goes, nobody waits for ever")
    func randomLives() {
        for seed in 0..<Self.sequences {
            var life = RandomLife(seed: UInt64(seed))
            for step in 0..<150 where life.problem == nil { life.step(step) }
            life.finish()
            if let problem = life.problem {
                Issue.record("seed \(seed): \(problem)")
                return
            }
        }
    }
}

/// Models, hosts and callers at random, with what must hold kept in the plainest way.
private struct RandomLife {
    private var random: SplitMix64
    private var residency: Residency
    private var now = Duration.zero
    private var sizes: [String: Int64] = [:]
    private var loading: Set<String> = []
    private var resident: Set<String> = []
    private var unloading: Set<String> = []
    /// Leases that wait, and those that were granted, with their model.
    private var waiting: [UInt64: String] = [:]
    private var granted: [UInt64: String] = [:]
    private var lastUse: [String: Int] = [:]
    private var uses = 0
    private var pins: Set<String> = []
    private var ordered: Set<String> = []
    /// As of the last step.
    private var draining: Set<String> = []
    private var nextLease: UInt64 = 0
    private(set) var problem: String?

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        residency = Residency(limits: .init(budget: 100, maxWaiting: 12, patience: .seconds(2)))
        for key in ["a", "b", "c", "d", "e", "f"] { sizes[key] = Int64.random(in: 10...60, using: &random) }
        sizes["huge"] = 101
    }

    private mutating func fail(_ text: String) { if problem == nil { problem = text } }

    private mutating func key() -> String { sizes.keys.sorted().randomElement(using: &random) ?? "a" }

    mutating func step(_ number: Int) {
        now += .milliseconds(Int.random(in: 0...400, using: &random))
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: acquire(key())
        case 35..<60: release()
        case 60..<75: finishLoad()
        case 75..<88: finishUnload()
        case 88..<92: perform(residency.tick(at: now))
        case 92..<94: order(key())
        case 94..<96:
            let key = key()
            perform(residency.preload(key, bytes: sizes[key] ?? 0, at: now))
        case 96..<98:
            pins = Set(["a", "b"].filter { _ in Bool.random(using: &random) })
            perform(residency.pin(pins, at: now))
        default:
            guard let key = resident.sorted().randomElement(using: &random) else { return }
            perform(residency.measured(key, bytes: sizes[key] ?? 0, at: now))
        }
    }

    /// Everybody leaves, everything under way ends: then nobody may be left waiting.
    mutating func finish() {
        pins = []
        perform(residency.pin(pins, at: now))
        for _ in 0..<200 where problem == nil && !(granted.isEmpty && waiting.isEmpty && loading.isEmpty) {
            now += .seconds(1)
            for lease in granted.keys.sorted() { release(lease) }
            while !unloading.isEmpty { finishUnload() }
            while !loading.isEmpty { finishLoad() }
            perform(residency.tick(at: now))
        }
        if !waiting.isEmpty { fail("\(waiting) wait for ever: \(residency)") }
        if residency.waiting != 0 { fail("\(residency.waiting) are counted as waiting") }
    }

    private mutating func acquire(_ key: String) {
        nextLease += 1
        waiting[nextLease] = key
        perform(residency.acquire(key, bytes: sizes[key] ?? 0, lease: nextLease, at: now))
    }

    private mutating func release() {
        let leases = (Array(granted.keys) + Array(waiting.keys)).sorted()
        if let lease = leases.randomElement(using: &random) { release(lease) }
    }

    private mutating func release(_ lease: UInt64) {
        if let key = granted.removeValue(forKey: lease) { use(key) }
        waiting.removeValue(forKey: lease)
        perform(residency.release(lease, at: now))
    }

    private mutating func finishLoad() {
        guard let key = loading.sorted().randomElement(using: &random) else { return }
        loading.remove(key)
        if Int.random(in: 0..<8, using: &random) == 0 {
            perform(residency.failed(key, "bad", at: now))
        } else {
            resident.insert(key)
            use(key)
            perform(residency.loaded(key, bytes: sizes[key] ?? 0, at: now))
        }
    }

    private mutating func finishUnload() {
        guard let key = unloading.sorted().randomElement(using: &random) else { return }
        unloading.remove(key)
        perform(residency.unloaded(key, at: now))
    }

    private mutating func order(_ key: String) {
        if resident.contains(key) || loading.contains(key) { ordered.insert(key) }
        perform(residency.unload(key, at: now))
    }

    private mutating func use(_ key: String) {
        uses += 1
        lastUse[key] = uses
    }

    private mutating func perform(_ actions: [Residency.Action]) {
        for action in actions {
            switch action {
            case .load(let key):
                if !loading.insert(key).inserted || resident.contains(key) || unloading.contains(key) {
                    fail("\(key) is loaded twice")
                }
            case .unload(let key): unload(key)
            case .grant(let lease):
                guard let key = waiting.removeValue(forKey: lease) else { return fail("\(lease) did not wait") }
                if !resident.contains(key) { fail("\(key) is granted and not there") }
                granted[lease] = key
                use(key)
            case .refuse(let lease, _):
                if waiting.removeValue(forKey: lease) == nil { fail("\(lease) is refused and did not wait") }
            case .skip: break
            }
        }
        let taken = loading.union(resident).union(unloading).reduce(Int64(0)) { $0 + (sizes[$1] ?? 0) }
        if taken > 100 { fail("\(taken) bytes in memory after \(actions)") }
        draining = Set(residency.models.filter { $0.value.phase == .draining }.keys)
        if taken != residency.committed { fail("\(residency.committed) bytes are counted, \(taken) are taken") }
    }

    private mutating func unload(_ key: String) {
        if !resident.contains(key) { fail("\(key) is unloaded and not there") }
        if granted.values.contains(key) { fail("\(key) is unloaded in use") }
        let isOrdered = ordered.remove(key) != nil
        if pins.contains(key), !isOrdered { fail("\(key) is unloaded and pinned") }
        resident.remove(key)
        let older = resident.filter {
            !granted.values.contains($0) && !pins.contains($0) && !draining.contains($0)
                && (lastUse[$0] ?? 0) < (lastUse[key] ?? 0)
        }
        // One that had to make way while in use goes the moment it is idle.
        if !isOrdered, !draining.contains(key), !older.isEmpty { fail("\(key) goes before \(older)") }
        unloading.insert(key)
    }
}
