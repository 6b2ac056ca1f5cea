internal import ArgumentParser
internal import Foundation
internal import GatewayServer
internal import Ledger

extension AuditCommand {
    struct Events: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List administrative actions, the latest first: who did what, when, from where, before and after."
        )
        @OptionGroup var options: AdminOptions
        @Option(help: "About one tenant; without it all.") var tenant: String?
        @Option(help: "At most this many.") var limit = 100

        mutating func run() async throws {
            let (tenant, limit) = (tenant, limit)
            let events = try await options.administer { try await $0.events(tenant: tenant, limit: limit) }
            let lines = events.map { EventDocument($0) }
            var table = TextTable([
                .init("EVENT", .right), .init("AT"), .init("WHO"), .init("FROM"), .init("ACTION"), .init("SUBJECT"),
                .init("CHANGE"),
            ])
            table.rows = lines.map { line in
                [
                    String(line.event), CommandOutput.time(line.at), line.actor, line.origin ?? "", line.action,
                    line.subject, EventChange(before: line.before, after: line.after).text,
                ]
            }
            try options.show(NamedList("events", lines), text: table.render())
        }
    }
}
