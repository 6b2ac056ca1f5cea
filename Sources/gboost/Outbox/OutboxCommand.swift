internal import ArgumentParser
internal import Foundation
internal import GatewayServer
internal import Ledger

/// `gboost outbox`.
struct OutboxCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outbox", abstract: "Events on their way, and those that were given up.",
        subcommands: [List.self, Dead.self, Retry.self])

    static func table(_ deliveries: [DeliveryInfo]) -> String {
        var table = TextTable([
            .init("ID", .right), .init("DESTINATION"), .init("OF"), .init("EVENT"), .init("KIND"), .init("ABOUT"),
            .init("QUEUED"), .init("TRIES", .right), .init("LAST TRY"), .init("ERROR"),
        ])
        table.rows = deliveries.map { info in
            [
                String(info.id), info.destination, info.tenant ?? "(operator)", info.event, info.kind,
                info.about ?? "", CommandOutput.time(info.queuedAt), String(info.attempts),
                CommandOutput.time(info.triedAt), info.error ?? "",
            ]
        }
        return table.render()
    }

    /// Which deliveries.
    struct Filter: ParsableArguments {
        @Option(help: "One destination; without it all.") var destination: String?
        @Option(help: "Whose destinations; without it everybody's.") var tenant: String?
        @Option(help: "At most this many.") var limit = 100

        mutating func validate() throws {
            guard (1...100_000).contains(limit) else { throw ValidationError("--limit is within 1…100000") }
        }

        func read(dead: Bool, _ options: AdminOptions) async throws {
            let filter = self
            let all = try await options.administer {
                try await $0.deliveries(
                    dead: dead, destination: filter.destination, tenant: filter.tenant, limit: filter.limit)
            }
            try options.show(NamedList(dead ? "dead" : "pending", all), text: OutboxCommand.table(all))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List what waits to be delivered, in its order.",
            // As the list is named in JSON, and over HTTP.
            aliases: ["pending"])
        @OptionGroup var options: AdminOptions
        @OptionGroup var filter: Filter
        mutating func run() async throws { try await filter.read(dead: false, options) }
    }

    struct Dead: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the dead letters: what was given up, and why.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var filter: Filter
        mutating func run() async throws { try await filter.read(dead: true, options) }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Queue dead letters again, before everything that came later.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The destination.") var destination: String
        @Option(help: "Whose it is; without it the operator's.") var tenant: String?
        @Option(help: "One dead letter by its id; without it all of the destination's.") var id: Int64?

        mutating func run() async throws {
            let (destination, tenant, id) = (destination, tenant, id)
            let count = try await options.administer {
                try await $0.retryDeliveries(destination, tenant: tenant, id: id)
            }
            try options.show(["queued": count], text: "queued \(count) again\n")
        }
    }
}
