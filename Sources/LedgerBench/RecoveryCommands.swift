internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger

/// What a gateway leaves that is killed in the middle of many calls.
struct AbandonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abandon", abstract: "Reserves, and ends as a killed gateway does: nothing is settled.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Reservations.") var count = 20_000
    @Option(help: "Directory of the gateway's journal.") var journal: String

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let ledger = try await world.ledger(lanes: 2, journal: journal)
        let (count, tasks) = (count, 64)
        let granted = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var granted = 0
                    for number in stride(from: task, to: count, by: tasks) {
                        let call = world.reservation(world.callers[number % world.callers.count], amount: 1_000_000)
                        if case .granted = try await ledger.reserve(call) { granted += 1 }
                    }
                    return granted
                }
            }
            return try await group.reduce(0, +)
        }
        print("{\"granted\": \(granted)}")
        fflush(nil)
        // No goodbye: no destructor runs, no connection is closed in order.
        _exit(0)
    }
}

/// How long its successor takes.
struct RecoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Starts a gateway's ledger after a killed one; prints times as JSON.")
    @OptionGroup var database: DatabaseOptions
    @Option(help: "Directory of the killed gateway's journal.") var journal: String

    mutating func run() async throws {
        let world = try await BenchWorld(database)
        let start = ContinuousClock.now
        let ledger = try await world.ledger(lanes: 2, journal: journal)
        let started = (ContinuousClock.now - start) / .seconds(1)
        guard await ledger.recover() != nil else { throw BenchError(description: "the database is away") }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let recovered = ledger.counters.unreconciled
        print(
            """
            {"recovered": \(recovered), "start_seconds": \(started), "recovery_seconds": \(seconds), \
            "recovered_per_second": \(Double(recovered) / seconds)}
            """)
        await ledger.drain()
    }
}
