internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost limit`.
struct LimitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limit", abstract: "Rate limits: requests and tokens per minute, calls in parallel.",
        subcommands: [Set.self, Show.self, Remove.self])

    static func table(_ limits: [LimitInfo]) -> String {
        var table = TextTable([
            .init("SCOPE"), .init("FOR"), .init("UNIT"), .init("LIMIT", .right), .init("USED", .right), .init("RESETS"),
        ])
        table.rows = limits.map { limit in
            [
                limit.scope, limit.traffic.rawValue,
                limit.unit == .parallel ? "parallel" : "\(limit.unit.rawValue)/minute", String(limit.limit),
                limit.used.map { String($0) } ?? "", CommandOutput.time(limit.resetsAt),
            ]
        }
        return table.render()
    }

    /// Which limit.
    struct NameOptions: ParsableArguments {
        @OptionGroup var scope: LimitScopeOptions
        @Option(
            name: .customLong("for"),
            help: "paid: calls of paid models, exact over all gateways; local: answers of local models, per gateway.")
        var traffic = LimitedTraffic.paid

        func draft(_ unit: LimitUnit, _ limit: Int64) -> LimitDraft {
            var draft = LimitDraft(
                tenant: scope.tenant, scope: scope.scope, unit: unit, traffic: traffic, limit: limit)
            draft.model = scope.model
            draft.tag = scope.tag
            return draft
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set limits; they hold at once, and what is used of the current minute counts.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions
        @Option(help: "Requests in a minute.") var requestsPerMinute: Int64?
        @Option(help: "Tokens in a minute, input and output.") var tokensPerMinute: Int64?
        @Option(help: "Calls at the same time.") var parallel: Int64?

        mutating func validate() throws {
            guard requestsPerMinute != nil || tokensPerMinute != nil || parallel != nil else {
                throw ValidationError("one of --requests-per-minute, --tokens-per-minute and --parallel is needed")
            }
        }

        mutating func run() async throws {
            let wanted: [(LimitUnit, Int64?)] = [
                (.requests, requestsPerMinute), (.tokens, tokensPerMinute), (.parallel, parallel),
            ]
            let drafts = wanted.compactMap { unit, limit in limit.map { name.draft(unit, $0) } }
            let limits = try await options.administer { try await $0.setLimits(drafts) }
            try options.show(NamedList("limits", limits), text: LimitCommand.table(limits))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a tenant's rate limits as they are used now.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let limits = try await options.administer { try await $0.limits(tenant: tenant) }
            try options.show(NamedList("limits", limits), text: LimitCommand.table(limits))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take limits away.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions
        @Flag(help: "That of requests in a minute.") var requestsPerMinute = false
        @Flag(help: "That of tokens in a minute.") var tokensPerMinute = false
        @Flag(help: "That of calls at the same time.") var parallel = false

        mutating func validate() throws {
            guard requestsPerMinute || tokensPerMinute || parallel else {
                throw ValidationError("one of --requests-per-minute, --tokens-per-minute and --parallel is needed")
            }
        }

        mutating func run() async throws {
            let named: [(LimitUnit, Bool)] = [
                (.requests, requestsPerMinute), (.tokens, tokensPerMinute), (.parallel, parallel),
            ]
            let drafts = named.filter(\.1).map { name.draft($0.0, 0) }
            let limits = try await options.administer { try await $0.removeLimits(drafts) }
            try options.show(
                NamedList("removed", limits),
                text: limits.map { "removed the limit of \($0.unit.rawValue) of \($0.scope)\n" }.joined())
        }
    }
}
