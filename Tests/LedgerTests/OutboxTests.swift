import Foundation
import GatewayCore
import Outbox
import Postgres
import Synchronization
import Testing

@testable import Ledger

extension DeliveryContent {
    /// "event-7" of "event-7-1800000000250000": without what makes it the only one of that number.
    var shortID: String { id.split(separator: "-").dropLast().joined(separator: "-") }
}

/// A receiver that does as it is told, and remembers.
final class ScriptedReceiver: DestinationSender {
    struct Got: Sendable {
        var destination: String
        var content: DeliveryContent
        var number: Int
    }
    private struct State {
        var got: [Got] = []
        var answer: @Sendable (Got) -> DeliveryOutcome = { _ in .delivered }
        var underWay = 0
        var most = 0
    }
    private let state = Mutex(State())

    /// Tries in the order of their arrival.
    var got: [Got] { state.withLock { $0.got } }
    /// Short ids of events in the order of arrival.
    var ids: [String] { got.map(\.content.shortID) }
    /// The most tries to one receiver at the same time.
    var most: Int { state.withLock { $0.most } }
    func answer(_ answer: @escaping @Sendable (Got) -> DeliveryOutcome) { state.withLock { $0.answer = answer } }

    func send(_ attempt: DeliveryAttempt, to destination: Destination) async -> DeliveryOutcome {
        let got = Got(destination: destination.name, content: attempt.content, number: attempt.number)
        let answer = state.withLock { state in
            state.got.append(got)
            state.underWay += 1
            state.most = max(state.most, state.underWay)
            return state.answer
        }
        await Task.yield()
        defer { state.withLock { $0.underWay -= 1 } }
        return answer(got)
    }
}

@Suite("The outbox: who is told of what, in which order, how often")
struct OutboxTests {
    private func hook(
        _ f: LedgerFixture, _ name: String = "hook", tenant: String? = "acme", _ kinds: [EventKind]? = nil
    ) async throws {
        _ = try await f.admin.addDestination(
            DestinationDraft(
                tenant: tenant, name: name, kind: .webhook, target: "https://example.com/", secrets: ["env:A"],
                kinds: kinds))
    }

    private func delivery(
        _ store: OutboxStore, _ receiver: ScriptedReceiver, _ change: (inout DeliverySettings) -> Void = { _ in }
    ) -> OutboxDelivery {
        var settings = DeliverySettings()
        change(&settings)
        return OutboxDelivery(store: store, sender: receiver, settings: settings, logger: .quiet)
    }

    private func tell(_ f: LedgerFixture, _ count: Int, tenant: Int64? = nil, now: Date? = nil) async throws {
        for index in 0..<count {
            _ = try await f.pool.query(
                """
                select gboost_tell(\(tenant ?? f.tenant.id), 'escalation.refused',
                  jsonb_build_object('n', \(Int64(index))), null, \(optional: now))
                """)
        }
    }

    private func spend(_ f: LedgerFixture, _ ledger: PostgresLedger, _ amount: Int64) async throws {
        let call = f.reservation(amount)
        #expect(try await ledger.reserve(call).isGranted)
        await ledger.settle(.of(call.id, amount))
    }

    @Test("a receiver down for an hour: each event arrives, in order, after few tries; what was lost comes twice")
    func hourDown() async throws {
        try await LedgerFixture.with { f in
            let start = moment("2031-03-10T12:00:00Z")
            let clock = SettableClock(start)
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            try await hook(f)
            try await tell(f, 30, now: start)
            let receiver = ScriptedReceiver()
            let answers = Mutex(0)
            receiver.answer { got in
                if clock.now < start.addingTimeInterval(3600) { return .failed("no connection", retryAfter: nil) }
                // Every third answer is lost: the receiver has the event, the gateway does not know.
                let isLost = answers.withLock { count in
                    count += 1
                    return count % 3 == 0
                }
                return isLost ? .failed("no answer", retryAfter: nil) : .delivered
            }
            // Two gateways: whoever comes first.
            let gateways = [delivery(store, receiver), delivery(store, receiver)]
            var rounds = 0
            while try await f.number("select count(*) from deliveries") ?? 0 > 0, rounds < 200 {
                rounds += 1
                for gateway in gateways { _ = try await gateway.round() }
                if let due = try await store.nextDue(every: .seconds(10)) { clock.now = max(due, clock.now + 0.001) }
            }
            var seen: Set<String> = []
            let arrived = receiver.got.filter { $0.number > 0 && seen.insert($0.content.id).inserted }
            #expect(arrived.map { Int($0.content.shortID.dropFirst(6)) ?? 0 } == Array(1...30))
            let inOutage = receiver.got.count - 30 - answers.withLock { $0 } / 3
            #expect((9...20).contains(inOutage), "\(inOutage) tries of the first event while nobody listened")
            #expect(receiver.ids.count > seen.count && receiver.most == 1)
            #expect(clock.now < start + 3600 + 1800)
            #expect(try await f.number("select delivered from destinations") == 30)
            #expect(try await f.number("select count(*) from deliveries where dead_at is not null") == 0)
        }
    }

    @Test("refused five times: a dead letter with its cause, the next goes on; queued again it comes first")
    func deadLetters() async throws {
        try await LedgerFixture.with { f in
            let clock = SettableClock(moment("2031-03-10T12:00:00Z"))
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            try await hook(f)
            try await hook(f, "other")
            try await tell(f, 3, now: clock.now)
            let receiver = ScriptedReceiver()
            receiver.answer { got in
                got.destination == "hook" && got.content.shortID == "event-1" ? .refused("HTTP 400: bad") : .delivered
            }
            let gateway = delivery(store, receiver)
            for _ in 0..<8 {
                _ = try await gateway.round()
                clock.now += 900
            }
            let hooks = receiver.got.filter { $0.destination == "hook" }.map(\.content.shortID)
            #expect(hooks == Array(repeating: "event-1", count: 5) + ["event-2", "event-3"])
            // The other destination did not wait for any of it.
            let others = receiver.got.filter { $0.destination == "other" }.map(\.content.shortID)
            #expect(others == ["event-1", "event-2", "event-3"])
            let dead = try await f.admin.deliveries(dead: true)
            #expect(dead.count == 1 && dead.first?.event.hasPrefix("event-1-") == true)
            #expect(dead.first?.error == "HTTP 400: bad")
            #expect(dead.first?.attempts == 5 && dead.first?.destination == "hook" && dead.first?.about == "acme")
            #expect(try await f.admin.deliveries(dead: false) == [])
            try await tell(f, 1, now: clock.now)
            receiver.answer { _ in .delivered }
            #expect(try await f.admin.retryDeliveries("hook", tenant: "acme") == 1)
            _ = try await gateway.round()
            let last = receiver.got.filter { $0.destination == "hook" }.suffix(2).map(\.content.shortID)
            #expect(last == ["event-1", "event-4"])
            await #expect(throws: LedgerError.self) { try await f.admin.retryDeliveries("hook", tenant: "acme", id: 1) }
        }
    }

    @Test("410 pauses the destination; its events wait until a person lets it go on")
    func gone() async throws {
        try await LedgerFixture.with { f in
            try await hook(f)
            try await tell(f, 3)
            let receiver = ScriptedReceiver()
            receiver.answer { _ in .gone("HTTP 410") }
            let gateway = delivery(OutboxStore(pool: f.pool), receiver)
            #expect(try await gateway.round() == 1)
            #expect(try await gateway.round() == 0)
            let info = try await f.admin.destination(named: "hook", tenant: "acme")
            #expect(info.pausedWhy == "HTTP 410" && info.pending == 2 && info.dead == 1)
            receiver.answer { _ in .delivered }
            _ = try await f.admin.setDestinationPaused(false, "hook", tenant: "acme")
            #expect(try await gateway.round() == 1)
            #expect(receiver.ids == ["event-1", "event-2", "event-3"])
        }
    }

    @Test("one gateway at a time works on a destination; one that lost its lease changes nothing")
    func lease() async throws {
        try await LedgerFixture.with { f in
            let clock = SettableClock(moment("2031-03-10T12:00:00Z"))
            let store = OutboxStore(pool: f.pool, now: { clock.now })
            try await hook(f)
            try await tell(f, 2, now: clock.now)
            let (first, second) = (UUID(), UUID())
            let mine = try await store.claim(owner: first, lease: .seconds(60), limit: 8)
            #expect(mine.count == 1)
            #expect(try await store.claim(owner: second, lease: .seconds(60), limit: 8).isEmpty)
            clock.now += 61
            let theirs = try await store.claim(owner: second, lease: .seconds(60), limit: 8)
            #expect(theirs == mine)
            let failure = OutboxStore.Failure(
                delivery: 1, error: "late", isRefusal: false, wait: nil, pauses: true)
            #expect(try await !store.failed(failure, mine[0], owner: first))
            #expect(try await f.number("select count(*) from deliveries where attempts = 0 and dead_at is null") == 2)
            // But what has arrived, has.
            #expect(try await !store.delivered(1, mine[0], owner: first, lease: .seconds(60)))
            #expect(try await f.number("select count(*) from deliveries") == 1)
            try await store.release(mine[0], owner: first)
            #expect(try await store.claim(owner: first, lease: .seconds(60), limit: 8).isEmpty)
            try await store.release(mine[0], owner: second)
            #expect(try await store.claim(owner: first, lease: .seconds(60), limit: 8).count == 1)
        }
    }

    @Test("a dozen gateways that come at once: every event once, never two at a time")
    func manyGateways() async throws {
        try await LedgerFixture.with(poolSize: 8) { f in
            try await hook(f)
            try await tell(f, 40)
            let receiver = ScriptedReceiver()
            let gateways = (0..<12).map { _ in
                delivery(OutboxStore(pool: f.pool), receiver) { $0.deliveriesPerTurn = 5 }
            }
            for _ in 0..<10 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for gateway in gateways { group.addTask { _ = try await gateway.round() } }
                    try await group.waitForAll()
                }
            }
            #expect(receiver.ids == (1...40).map { "event-\($0)" })
            #expect(receiver.most == 1)
        }
    }

    @Test("an event whose transaction ends late is delivered all the same")
    func lateCommit() async throws {
        try await LedgerFixture.with { f in
            try await hook(f)
            let receiver = ScriptedReceiver()
            let gateway = delivery(OutboxStore(pool: f.pool), receiver)
            try await f.pool.transaction { transaction in
                _ = try await transaction.query("select gboost_tell(\(f.tenant.id), 'escalation.refused', '{}')")
                try await tell(f, 1)
                _ = try await gateway.round()
                #expect(receiver.ids == ["event-2"])
            }
            _ = try await gateway.round()
            #expect(receiver.ids == ["event-2", "event-1"])
        }
    }

    @Test("a tenant hears of itself only, the operator of all; what nobody wants is queued for nobody")
    func audience() async throws {
        try await LedgerFixture.with { f in
            let other = try await f.admin.createTenant(name: "other", timeZone: "UTC")
            try await tell(f, 1)
            #expect(try await f.number("select count(*) from deliveries") == 0)
            try await hook(f, "mine")
            try await hook(f, "mine", tenant: "other")
            try await hook(f, "all", tenant: nil)
            try await hook(f, "thresholds", tenant: nil, [.budgetThreshold])
            try await tell(f, 1)
            try await tell(f, 1, tenant: other.id)
            let store = OutboxStore(pool: f.pool)
            for _ in 0..<3 {
                try await store.tell(.provider("openai", isDown: true, gateway: "g1"))
                try await store.tell(.provider("openai", isDown: true, gateway: "g2"))
            }
            try await store.tell(.provider("openai", isDown: false, gateway: "g2"))
            try await store.tell(.provider("openai", isDown: false, gateway: "g1"))
            // Flapping: not told again within a minute.
            try await store.tell(.provider("openai", isDown: true, gateway: "g1"))
            let receiver = ScriptedReceiver()
            #expect(try await delivery(store, receiver).round() == 3)
            let mine = receiver.got.filter { $0.destination == "mine" }.compactMap(\.content.tenant).sorted()
            #expect(mine == ["acme", "other"])
            let all = receiver.got.filter { $0.destination == "all" }
            #expect(all.map { $0.content.tenant ?? "-" } == ["acme", "other", "-", "-"])
            #expect(all.suffix(2).map(\.content.kind) == [.providerDown, .providerUp])
        }
    }

    @Test("a budget that refuses a thousand calls is told of once a period and limit, by all gateways together")
    func refusals() async throws {
        try await LedgerFixture.with { f in
            try await hook(f)
            let writers = (0..<3).map { _ in NoticeWriter(store: OutboxStore(pool: f.pool), logger: .quiet) }
            await withTaskGroup(of: Void.self) { group in
                for writer in writers { group.addTask { await writer.run() } }
                var state = BudgetState(
                    scope: "tenant:acme", period: "month:2031-03", limit: NanoUSD(10), settled: NanoUSD(10),
                    held: NanoUSD(0), resetsAt: nil)
                for (period, limit) in [("month:2031-03", 10), ("month:2031-03", 20), ("month:2031-04", 20)] {
                    (state.period, state.limit) = (period, NanoUSD(Int64(limit)))
                    for writer in writers {
                        for _ in 0..<100 {
                            writer.tell(.refused(by: state, model: LedgerFixture.model, tenantID: f.tenant.id))
                        }
                    }
                }
                for _ in 0..<6000 {
                    if (try? await f.number("select count(*) from outbox_marks")) == 3 { break }
                    try? await Task.sleep(for: .milliseconds(10))
                }
                group.cancelAll()
            }
            #expect(try await f.number("select count(*) from outbox where kind = 'escalation.refused'") == 3)
            #expect(try await f.number("select count(*) from deliveries") == 3)
        }
    }

    @Test("a budget with more in use than its limit tells of that once, not with every call that ends; raised, anew")
    func lowered() async throws {
        try await LedgerFixture.with { f in
            let ledger = try await f.ledger()
            let store = OutboxStore(pool: f.pool)
            func refusal() async throws -> BudgetState {
                try #require(try await ledger.reserve(f.reservation(10_000)).refusedBy)
            }
            func told(_ state: BudgetState) async throws -> Int64? {
                try await store.tell(.refused(by: state, model: LedgerFixture.model, tenantID: f.tenant.id))
                return try await f.number("select count(*) from outbox where kind = 'escalation.refused'")
            }
            let calls = (0..<5).map { _ in f.reservation(100) }
            for call in calls { #expect(try await ledger.reserve(call).isGranted) }
            var draft = BudgetDraft(tenant: "acme", limit: NanoUSD(100))
            _ = try await f.admin.setBudget(draft)
            #expect(try await told(refusal()) == 1)
            var caps: [Int64] = []
            for call in calls {
                await ledger.settle(.of(call.id, 90))
                let state = try await refusal()
                caps.append(state.limit.rawValue)
                #expect(try await told(state) == 1)
            }
            #expect(caps == [490, 480, 470, 460, 450])
            draft.limit = NanoUSD(600)
            _ = try await f.admin.setBudget(draft)
            let raised = try await refusal()
            #expect(try await told(raised) == 2)
            draft.limit = NanoUSD(50)
            _ = try await f.admin.topUpBudget(draft)
            // What was noticed before the top-up is not of the limit with it.
            #expect(try await told(raised) == 2)
            #expect(try await told(refusal()) == 3)
            draft.limit = NanoUSD(550)
            _ = try await f.admin.setBudget(draft)
            #expect(try await told(refusal()) == 3)
        }
    }

    /// Runs a writer until the outbox has so many events.
    private func write(_ writer: NoticeWriter, _ f: LedgerFixture, until count: Int64) async throws {
        let running = Task { await writer.run() }
        for _ in 0..<6000 {
            if try await f.number("select count(*) from outbox") ?? 0 >= count { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        running.cancel()
        await running.value
        #expect(try await f.number("select count(*) from outbox") == count)
    }

    @Test("neither a model named by a zero byte nor what the database refuses keeps other notices from being told")
    func refusedNotice() async throws {
        try await LedgerFixture.with { f in
            let writer = NoticeWriter(store: OutboxStore(pool: f.pool), logger: .quiet, pause: .milliseconds(10))
            let odd = ModelReference(provider: "openai", model: "\u{0}")
            writer.tell(.refused(without: .price, model: odd, tenantID: f.tenant.id, at: Date()))
            var broken = Notice.provider("sim", isDown: true, gateway: "g")
            broken.data = "{"
            writer.tell(broken)
            writer.tell(.provider("openai", isDown: true, gateway: "g"))
            try await write(writer, f, until: 2)
            let told = "select count(*) from outbox where kind = 'escalation.refused' and payload->>'model' = 'openai/'"
            #expect(try await f.number(told) == 1)
            #expect(try await f.number("select count(*) from outbox where kind = 'provider.down'") == 1)
        }
    }

    @Test("what had to make way for later notices is told when it is noticed again")
    func overflow() async throws {
        try await LedgerFixture.with { f in
            let writer = NoticeWriter(store: OutboxStore(pool: f.pool), logger: .quiet)
            func tell(_ period: Int) {
                let state = BudgetState(
                    scope: "tenant:acme", period: "day:\(period)", limit: NanoUSD(10), settled: NanoUSD(10),
                    held: NanoUSD(0), resetsAt: nil)
                writer.tell(.refused(by: state, model: LedgerFixture.model, tenantID: f.tenant.id))
            }
            for period in 0...NoticeWriter.maxPending { tell(period) }
            tell(0)
            try await write(writer, f, until: Int64(NoticeWriter.maxPending))
            #expect(try await f.number("select count(*) from outbox where payload->>'period' = 'day:0'") == 1)
        }
    }
}
