internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension EscalationsCommand {
    struct Refused: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List a tenant's paid calls that were wanted and not made, and why.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "Only those after this number.") var after: Int64 = 0
        @Option(help: "At most this many.") var limit = 1000

        mutating func run() async throws {
            let (tenant, after, limit) = (tenant, after, limit)
            let all = try await options.administer {
                try await $0.refusals(tenant: tenant, after: after, limit: limit)
            }
            try options.show(NamedList("refusals", all.map { RefusalDocument($0) }), text: Self.table(all))
        }

        static func table(_ refusals: [RefusalInfo]) -> String {
            var table = TextTable([
                .init("SEQ", .right), .init("AT"), .init("KIND"), .init("ROUTE"), .init("MODEL"),
                .init("WANTED USD", .right), .init("LEFT USD", .right), .init("REFUSED BY"), .init("REASON"),
            ])
            table.rows = refusals.map { info in
                [
                    info.seq.map(String.init) ?? "", CommandOutput.time(info.refusedAt), info.kind.rawValue,
                    info.route ?? "", info.model, info.wanted?.usdString ?? "",
                    info.escalation.remaining?.usdString ?? "",
                    [info.refusal?.rawValue, info.refusedBy].compactMap(\.self).joined(separator: ": "),
                    info.escalation.reason,
                ]
            }
            return table.render()
        }
    }
}
