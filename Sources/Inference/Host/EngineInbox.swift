internal import Foundation
internal import GatewayCore

/// Which request of which connection.
struct JobKey: Hashable, Sendable {
    var connection: UInt64
    var request: UInt64
}

/// One request for the engine's thread, and the way its answer goes back.
struct EngineJob: Sendable {
    var key: JobKey
    var operation: HostRequest.Operation
    var scope = EngineScope()
    var arrival = ContinuousClock.now
    /// Text of a streamed draft comes before its end; everything else is answered once.
    var reply: @Sendable (HostReply.Body, [Float]) -> Void
}

/// The only thing that the engine's thread and the connections' threads share.
final class EngineInbox: @unchecked Sendable {
    /// What arrived since the last look.
    struct Delivery {
        var jobs: [EngineJob] = []
        var cancelled: [JobKey] = []
        var closedConnections: [UInt64] = []
        var endedSessions: [UUID] = []
        var isEmpty: Bool {
            jobs.isEmpty && cancelled.isEmpty && closedConnections.isEmpty && endedSessions.isEmpty
        }
    }

    private let condition = NSCondition()
    // All guarded by `condition`.
    private var delivery = Delivery()
    private var current = HostStatus(
        decodes: 0, queued: 0, active: 0, cached: 0, generatedTokens: 0, evaluatedTokens: 0)
    /// Jobs that the engine has taken and not told of yet: an engine that is stuck with them shall not look idle.
    private var taken = 0
    private var known: HostInfo?
    /// Jobs of one tenant, and of all, that may lie here until the engine looks.
    private let maxQueued: Int
    private let maxQueuedTotal: Int

    init(maxQueued: Int, maxQueuedTotal: Int) {
        self.maxQueued = maxQueued
        self.maxQueuedTotal = maxQueuedTotal
    }

    /// False: too many lie here already.
    func submit(_ job: EngineJob) -> Bool {
        locked {
            guard delivery.jobs.count < maxQueuedTotal,
                delivery.jobs.count(where: { $0.scope.tenant == job.scope.tenant }) < maxQueued
            else { return false }
            delivery.jobs.append(job)
            return true
        }
    }

    func cancel(_ key: JobKey) { locked { delivery.cancelled.append(key) } }
    func close(connection: UInt64) { locked { delivery.closedConnections.append(connection) } }
    func end(session: UUID) { locked { delivery.endedSessions.append(session) } }

    var status: HostStatus {
        locked {
            var status = current
            status.queued += delivery.jobs.count + taken
            return status
        }
    }

    /// nil until the model is loaded.
    var info: HostInfo? {
        get { locked { known } }
        set { locked { known = newValue } }
    }

    /// For the engine's thread: takes what is there; waits for something if `mayBlock`.
    func take(mayBlock: Bool) -> Delivery {
        condition.lock()
        defer { condition.unlock() }
        while mayBlock, delivery.isEmpty { condition.wait() }
        taken += delivery.jobs.count
        defer { delivery = Delivery() }
        return delivery
    }

    /// For the engine's thread: tells how it is doing.
    func publish(_ status: HostStatus) {
        locked {
            current = status
            taken = 0
        }
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        condition.lock()
        defer {
            condition.signal()
            condition.unlock()
        }
        return body()
    }
}
