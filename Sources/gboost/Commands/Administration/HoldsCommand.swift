internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost holds`.
struct HoldsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "holds", abstract: "Money set aside for paid calls.", subcommands: [List.self])

    static func table(_ holds: [HoldInfo]) -> String {
        var table = TextTable([
            .init("HOLD"), .init("TENANT"), .init("KEY", .right), .init("MODEL"), .init("STATE"),
            .init("USD", .right), .init("TAKEN"), .init("GATEWAY"),
        ])
        table.rows = holds.map { hold in
            [
                hold.name, hold.tenant, String(hold.keyID), hold.model.description,
                hold.isUnreconciled ? "unreconciled" : hold.state, hold.amount.usdString,
                CommandOutput.time(hold.takenAt), hold.gateway ?? "",
            ]
        }
        return table.render()
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List open holds, or those posted in full because their charge is not known.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant; without it all.") var tenant: String?
        @Flag(help: "Holds that recovery posted in full.") var unreconciled = false
        @Option(help: "At most this many.") var limit = 1000

        mutating func run() async throws {
            let (tenant, limit) = (tenant, limit)
            let filter = unreconciled ? HoldFilter.unreconciled : .open
            let holds = try await options.administer { try await $0.holds(filter, tenant: tenant, limit: limit) }
            try options.show(NamedList("holds", holds.map(HoldDocument.init)), text: HoldsCommand.table(holds))
        }
    }
}
