internal import ArgumentParser
internal import GatewayCore
internal import Ledger

/// Durable pairs a second from many tasks, each of which reserves, waits, settles, waits.
struct PairsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pairs", abstract: "Reserve and settle from many tasks; prints pairs a second as JSON.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Tasks at once.") var tasks = 64
    @Option(help: "Seconds to measure, after one to warm up.") var seconds = 6.0
    @Option(help: "Batches at the database at once.") var lanes = 2
    @Flag(help: "Seal meanwhile, as a gateway does.") var seal = false
    @Flag(help: "Everything on one budget row, instead of three rows each of a hundred tenants.") var hot = false

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let ledger = try await world.ledger(lanes: lanes)
        let (tasks, seconds) = (tasks, seconds)
        let callers = hot ? [world.hot] : world.callers
        let sealing = seal ? try await SealingWatch(world) : nil
        let warm = ContinuousClock.now + .seconds(1)
        let span = warm..<(warm + .seconds(seconds))
        let counts = await withTaskGroup(of: (pairs: Int, latencies: [Double]).self) { group in
            for task in 0..<tasks {
                group.addTask { await Self.work(world, ledger, callers, task, span) }
            }
            return await group.reduce(into: (pairs: 0, latencies: [Double]())) {
                $0.pairs += $1.pairs
                $0.latencies += $1.latencies
            }
        }
        guard ledger.counters.unavailable == 0, ledger.counters.refused == 0, ledger.journalDepth.records == 0 else {
            throw BenchError(description: "calls were refused: \(ledger.counters)")
        }
        let latencies = counts.latencies.sorted()
        let lag = try await sealing?.end().map { ", \"seal_lag_p99_ms\": \($0 * 1000)" } ?? ""
        print(
            """
            {"pairs_per_second": \(Double(counts.pairs) / seconds), "reserve_p50_ms": \(latencies.quantile(0.5)), \
            "reserve_p99_ms": \(latencies.quantile(0.99))\(lag)}
            """)
        await ledger.drain()
    }

    private static func work(
        _ world: BenchWorld, _ ledger: PostgresLedger, _ callers: [Caller], _ task: Int,
        _ span: Range<ContinuousClock.Instant>
    ) async -> (pairs: Int, latencies: [Double]) {
        var (pairs, latencies, turn) = (0, [Double](), task)
        while true {
            turn = (turn &* 1_103_515_245 &+ 12_345) & 0x7fff_ffff
            let caller = callers[turn % callers.count]
            let call = world.reservation(caller, amount: Int64(1_000_000 + turn % 9_000_000))
            let start = ContinuousClock.now
            guard case .granted = try? await ledger.reserve(call) else { return (pairs, latencies) }
            let reserved = ContinuousClock.now
            await ledger.settle(BenchWorld.settlement(call))
            let now = ContinuousClock.now
            if now >= span.upperBound { return (pairs, latencies) }
            if start >= span.lowerBound {
                pairs += 1
                latencies.append((reserved - start) / .milliseconds(1))
            }
        }
    }
}

/// How long one reservation takes on an idle ledger.
struct LoneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lone", abstract: "One task: the latency of a reservation, as JSON.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Reservations.") var count = 1000

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let ledger = try await world.ledger(lanes: 1)
        var (reserves, settles) = ([Double](), [Double]())
        for number in 0..<(count + 50) {
            let call = world.reservation(world.callers[number % world.callers.count], amount: 1_000_000)
            let start = ContinuousClock.now
            guard case .granted = try await ledger.reserve(call) else {
                throw BenchError(description: "a lone reservation was refused")
            }
            let reserved = ContinuousClock.now
            await ledger.settle(BenchWorld.settlement(call))
            guard number >= 50 else { continue }
            reserves.append((reserved - start) / .milliseconds(1))
            settles.append((ContinuousClock.now - reserved) / .milliseconds(1))
        }
        (reserves, settles) = (reserves.sorted(), settles.sorted())
        print(
            """
            {"reserve_p50_ms": \(reserves.quantile(0.5)), "reserve_p99_ms": \(reserves.quantile(0.99)), \
            "settle_p50_ms": \(settles.quantile(0.5))}
            """)
        await ledger.drain()
    }
}

extension [Double] {
    /// Of sorted numbers; 0 of none.
    func quantile(_ share: Double) -> Double { isEmpty ? 0 : self[Int(Double(count - 1) * share)] }
}
