internal import Foundation
package import Logging
package import Outbox
internal import Postgres
internal import Synchronization

/// How a gateway delivers.
package struct DeliverySettings: Sendable {
    /// When it is tried again, and when no more.
    package var policy = DeliveryStateMachine.Policy()
    /// Destinations that a gateway works on at once.
    package var maxConcurrent = 8
    /// Deliveries of one destination before others have their turn.
    package var deliveriesPerTurn = 256
    /// How long a gateway has a destination to itself, from its latest success on; longer than any try takes.
    package var lease = Duration.seconds(60)
    /// How long settlements are gathered for a batch.
    package var usageInterval = Duration.seconds(10)
    /// How often it is looked whether something is due, although nothing was heard: notifications are lost behind some
    /// connection poolers.
    package var pollInterval = Duration.seconds(30)
    /// How often what is too old is dropped.
    package var sweepInterval = Duration.seconds(300)
    /// What is older is dropped.
    package var retention = Duration.seconds(30 * 86_400)
    /// Records that wait longer to be sealed are told of.
    package var auditLagLimit = Duration.seconds(60)
    package init() {}
}

/// Delivers what waits in the outbox. Of several gateways one works on a destination at a time; which one changes.
///
/// Asleep until something is queued: the database notifies, and knows when the next try is due. So an idle system does
/// one short query in half a minute.
package final class OutboxDelivery: Sendable {
    /// With the database away.
    private static let pauseAfterFailure = Duration.seconds(5)
    private let store: OutboxStore
    private let sender: any DestinationSender
    private let settings: DeliverySettings
    private let logger: Logger
    /// Names this process at its leases.
    private let owner = UUID()
    private let wakeUp: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)
    private let working = Mutex(0)

    package init(store: OutboxStore, sender: any DestinationSender, settings: DeliverySettings, logger: Logger) {
        self.store = store
        self.sender = sender
        self.settings = settings
        self.logger = logger
        // One is as good as many.
        wakeUp = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    private var time: Date { store.time ?? Date() }

    /// Delivers until the task is cancelled. A try that is under way then ends first, which takes a bounded time:
    /// broken off it would be made again by another gateway.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen() }
            group.addTask { await self.deliver() }
        }
    }

    private func listen() async {
        while !Task.isCancelled {
            if let heard = try? await store.pool.listen(channel: OutboxStore.channel) {
                for await _ in heard { wakeUp.continuation.yield() }
            }
            do { try await Task.sleep(for: settings.pollInterval) } catch { return }
        }
    }

    /// Drops what is too old, and watches the sealing, until the task is cancelled. For gateways that deliver nothing,
    /// too: each settlement leaves a row in the outbox.
    package func keepHouse() async {
        var nextSweep = ContinuousClock.now
        while !Task.isCancelled {
            do {
                try await store.watchAudit(limit: settings.auditLagLimit)
                if ContinuousClock.now >= nextSweep {
                    nextSweep = .now + settings.sweepInterval
                    while try await store.sweep(olderThan: settings.retention), !Task.isCancelled {}
                }
            } catch {
                if Task.isCancelled { return }
                logger.debug("the outbox is not looked after", metadata: ["reason": "\(error)"])
            }
            do { try await Task.sleep(for: settings.pollInterval) } catch { return }
        }
    }

    private func deliver() async {
        var wasAway = false
        var wakeUps = wakeUp.stream.makeAsyncIterator()
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                var wait = settings.pollInterval
                do {
                    let destinations = try await claim()
                    for destination in destinations {
                        group.addTask {
                            await self.work(on: destination)
                            self.working.withLock { $0 -= 1 }
                            self.wakeUp.continuation.yield()
                        }
                    }
                    if destinations.isEmpty, let due = try await store.nextDue(every: settings.usageInterval) {
                        wait = min(wait, .seconds(max(0.1, due.timeIntervalSince(time))))
                    } else if !destinations.isEmpty, working.withLock({ $0 }) < settings.maxConcurrent {
                        continue
                    }
                    wasAway = false
                } catch {
                    if Task.isCancelled { break }
                    if !wasAway { logger.warning("nothing is delivered", metadata: ["reason": "\(error)"]) }
                    wasAway = true
                    wait = min(wait, Self.pauseAfterFailure)
                }
                let timer = Task { [signal = wakeUp.continuation] in
                    try await Task.sleep(for: wait)
                    signal.yield()
                }
                _ = await wakeUps.next()
                timer.cancel()
            }
        }
    }

    private func claim() async throws(LedgerError) -> [Destination] {
        let free = settings.maxConcurrent - working.withLock { $0 }
        guard free > 0 else { return [] }
        let destinations = try await store.claim(owner: owner, lease: settings.lease, limit: free)
        working.withLock { $0 += destinations.count }
        return destinations
    }

    /// Works once on everything that is due now. Gives back how many destinations that was. For tests, which have a
    /// clock of their own.
    package func round() async throws(LedgerError) -> Int {
        let destinations = try await store.claim(
            owner: owner, lease: settings.lease, limit: settings.maxConcurrent)
        await withDiscardingTaskGroup { group in
            for destination in destinations { group.addTask { await self.work(on: destination) } }
        }
        return destinations.count
    }

    // MARK: One destination

    private func work(on destination: Destination) async {
        do {
            try await turn(destination)
        } catch {
            if !Task.isCancelled {
                logger.warning(
                    "a destination is left for later",
                    metadata: ["destination": "\(destination.name)", "reason": "\(error)"])
            }
        }
        // In a task of its own: this one may be cancelled.
        await Task { [store, owner] in try? await store.release(destination, owner: owner) }.value
    }

    private func turn(_ destination: Destination) async throws(LedgerError) {
        var machine = DeliveryStateMachine(policy: settings.policy)
        var contents: [Int64: PendingDelivery.Content] = [:]
        for _ in 0..<settings.deliveriesPerTurn {
            if machine.isEmpty {
                var page = try await store.pending(destination)
                if page.isEmpty,
                    try await store.queueUsage(destination, owner: owner, every: settings.usageInterval) > 0
                {
                    page = try await store.pending(destination)
                }
                machine.enqueue(page.map(\.item))
                contents = Dictionary(uniqueKeysWithValues: page.map { ($0.item.id, $0.content) })
            }
            guard !Task.isCancelled, case .send(let item) = machine.next(now: time), let content = contents[item.id]
            else { return }
            guard try await attempt(item, content, destination, &machine) else { return }
        }
    }

    /// One try. False: no more for now.
    private func attempt(
        _ item: DeliveryStateMachine.Item, _ content: PendingDelivery.Content, _ destination: Destination,
        _ machine: inout DeliveryStateMachine
    ) async throws(LedgerError) -> Bool {
        let outcome = try await send(content, number: item.attempts + 1, to: destination)
        if Task.isCancelled, outcome != .delivered {
            machine.abandoned(item.id)
            return false
        }
        var random = SystemRandomNumberGenerator()
        let verdict = machine.ended(item.id, outcome, now: time, using: &random)
        var failure = OutboxStore.Failure(
            delivery: item.id, error: outcome.cause, isRefusal: outcome.isRefusal, wait: nil, pauses: false)
        switch verdict {
        case .delivered: return try await arrived(item, destination)
        case .tryAgain(let wait): failure.wait = wait
        case .giveUp: break
        case .pause: failure.pauses = true
        case .ignored: return true
        }
        logger.warning(
            "an event was not delivered",
            metadata: [
                "destination": "\(destination.name)", "delivery": "\(item.id)", "attempt": "\(item.attempts + 1)",
                "reason": "\(failure.error)", "verdict": "\(verdict)",
            ])
        let isMine = try await store.failed(failure, destination, owner: owner)
        return isMine && verdict == .giveUp
    }

    /// Not lost by a stop: what has arrived is written down as such.
    private func arrived(
        _ item: DeliveryStateMachine.Item, _ destination: Destination
    ) async throws(LedgerError) -> Bool {
        let (store, owner, lease) = (store, owner, settings.lease)
        let result = await Task { () async -> Result<Bool, LedgerError> in
            do throws(LedgerError) {
                return .success(try await store.delivered(item.id, destination, owner: owner, lease: lease))
            } catch { return .failure(error) }
        }.value
        return try result.get()
    }

    private func send(
        _ content: PendingDelivery.Content, number: Int, to destination: Destination
    ) async throws(LedgerError) -> DeliveryOutcome {
        switch content {
        case .event(let event):
            return await finish(DeliveryAttempt(.event(event), number: number, at: time), destination)
        case .usage(let id, let tenant, let first, let last):
            let events = try await store.usage(tenant: tenant, first...last)
            // Releases only, or records whose months are dropped.
            guard !events.isEmpty else { return .delivered }
            let batch = UsageBatch(id: id, events)
            return await finish(DeliveryAttempt(.usage(batch), number: number, at: time), destination)
        }
    }

    /// In a task of its own, which nobody cancels.
    private func finish(_ attempt: DeliveryAttempt, _ destination: Destination) async -> DeliveryOutcome {
        await Task { [sender] in await sender.send(attempt, to: destination) }.value
    }
}

extension DeliveryOutcome {
    fileprivate var cause: String {
        switch self {
        case .delivered: ""
        case .refused(let cause), .failed(let cause, _), .gone(let cause): cause
        }
    }

    fileprivate var isRefusal: Bool { if case .refused = self { true } else { false } }
}
