internal import ArgumentParser
internal import Foundation
internal import GatewayCore
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
            try options.show(NamedList("refusals", all.map(RefusalLine.init)), text: Self.table(all))
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
                    info.escalation.remaining?.usdString ?? "", info.refusal?.rawValue ?? "", info.escalation.reason,
                ]
            }
            return table.render()
        }
    }

    /// A refusal as scripts read it.
    struct RefusalLine: Encodable {
        var seq: Int64?
        var refusedAt: Date
        var call: String
        var kind: String
        var refusal: String?
        var keyId: Int64
        var team: String?
        var route: String?
        var model: String
        var priceId: Int64?
        var wantedNanoUsd: Int64?
        var remainingNanoUsd: Int64?
        var more: Int64?
        var rewardRaw: Double?
        var rewardCalibrated: Double?
        var shadowPrice: Double?
        var reason: String
        var actions: [ActionEstimate]
        var excluded: [String: String]?
        var promptHash: String?

        init(_ info: RefusalInfo) {
            seq = info.seq
            refusedAt = info.refusedAt
            call = info.call
            kind = info.kind.rawValue
            refusal = info.refusal?.rawValue
            keyId = info.keyID
            team = info.team
            route = info.route
            model = info.model
            priceId = info.priceID
            wantedNanoUsd = info.wanted?.rawValue
            remainingNanoUsd = info.escalation.remaining?.rawValue
            more = info.more
            rewardRaw = info.escalation.rewardRaw
            rewardCalibrated = info.escalation.rewardCalibrated
            shadowPrice = info.escalation.shadowPrice
            reason = info.escalation.reason
            actions = info.escalation.actions
            excluded = info.escalation.excluded
            promptHash = info.escalation.promptHash
        }
    }
}
