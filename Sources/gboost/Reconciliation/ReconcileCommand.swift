internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Ledger

/// `gboost reconcile`: the ledger beside what a provider says that it charged.
struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile", abstract: "Lay a provider's bill beside the ledger.",
        discussion: """
            FILE is the simulated provider's bill, or an export of OpenAI's usage or costs, or of Anthropic's usage or \
            cost report; of these, each span is compared, and what the ledger has of a model that the bill does not \
            name in it is missing there. A bill names snapshots: model-2024-07-18 or model-20240718, where the ledger \
            has nothing of it in the span, is what the ledger has of model. Exit status 1 when ledger and bill are \
            not the same.
            """)
    @OptionGroup var options: AdminOptions
    @Argument(help: "The export.") var file: String
    @Option(help: "The provider, as the configuration names it.") var provider: String
    @Option(help: "Calls, or whole spans, from this day or instant on; without it from the first.") var from: String?
    @Option(help: "Calls, or whole spans, before this day or instant; without it to the last.") var until: String?
    @Flag(help: "Settle unreconciled holds by what a bill of calls says: each by an entry of the difference.")
    var resolve = false

    mutating func run() async throws {
        let (provider, resolve) = (provider, resolve)
        let bill = try Self.read(file)
        let first = try from.map { text throws(CommandFailure) in
            try ArgumentParsing.instant(text, option: "--from")
        }
        let last = try until.map { text throws(CommandFailure) in
            try ArgumentParsing.instant(text, option: "--until")
        }
        guard bill.buckets.isEmpty else {
            guard !resolve else {
                throw CommandFailure.usage("--resolve", "the bill has sums only, and a hold is settled by its call")
            }
            return try await compare(bill.part(from: first, until: last))
        }
        let start = first ?? Date(timeIntervalSince1970: 0)
        let span = start..<max(start, last ?? Date(timeIntervalSince1970: 253_370_764_800))
        let told = first == nil && last == nil ? nil : span
        // Also what lies around the span: a line of the bill whose call does is not missing.
        let time = Reconciliation.time(of: bill.calls, and: span)
        let source = URL(filePath: file).lastPathComponent
        let result = try await options.administer { admin in
            var result = Reconciliation.of(
                bill: bill.calls, ledger: try await admin.calls(ofProvider: provider, in: time), in: told)
            for found in resolve ? result.found : [] where try await admin.resolve(found, source: source) {
                result.resolved += 1
            }
            return result
        }
        try options.show(result, text: Self.text(result))
        if !result.isEven { throw ExitCode(CommandStatus.failed.rawValue) }
    }

    private static func read(_ path: String) throws -> ProviderBill {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandFailure.usage("file", "cannot read \(path): \(FileFailure.unreadable(path))")
        }
        guard data.count <= ProviderBill.maxBytes else {
            throw CommandFailure.usage("file", "\(path) is larger than \(ProviderBill.maxBytes) bytes")
        }
        return try ProviderBill(data)
    }

    static func text(_ result: Reconciliation) -> String {
        let groups = [
            ("matched", result.matched), ("differing", result.differing), ("missing here", result.missingHere),
            ("missing there", result.missingThere), ("unreconciled, found", result.resolvable),
        ]
        var table = TextTable([
            .init("WHAT"), .init("CALLS", .right), .init("LEDGER USD", .right), .init("BILL USD", .right),
        ])
        table.rows = groups.map { name, group in
            [
                name, String(group.count), NanoUSD(group.ledgerNanoUSD).usdString,
                NanoUSD(group.billNanoUSD).usdString,
            ]
        }
        table.rows.append([
            "total", "", NanoUSD(result.ledgerNanoUSD).usdString, NanoUSD(result.billNanoUSD).usdString,
        ])
        var lines = TextTable([
            .init("WHAT"), .init("CALL"), .init("TENANT"), .init("MODEL"), .init("LEDGER USD", .right),
            .init("BILL USD", .right),
        ])
        lines.rows = groups.dropFirst().flatMap { name, group in
            group.lines.map { line in
                [
                    name, line.call, line.tenant ?? "", line.model,
                    line.ledgerNanoUSD.map { NanoUSD($0).usdString } ?? "",
                    line.billNanoUSD.map { NanoUSD($0).usdString } ?? "",
                ]
            }
        }
        let resolved = result.resolved > 0 ? "\(result.resolved) holds resolved\n" : ""
        return table.render() + resolved + (lines.rows.isEmpty ? "" : "\n" + lines.render())
    }
}

// MARK: - Bills that have sums only

extension ReconcileCommand {
    /// A span and model, as both have it; nil: that side does not say.
    struct Sum: Encodable, Hashable {
        enum Verdict: String, Encodable {
            case matched, differing
            case missingHere = "missing_here"
            case missingThere = "missing_there"
        }
        var from: Date
        var until: Date
        var model: String?
        var verdict: Verdict
        var ledgerNanoUsd: Int64
        var billNanoUsd: Int64?
        var ledgerInputTokens: Int64
        var billInputTokens: Int64?
        var ledgerOutputTokens: Int64
        var billOutputTokens: Int64?
        var ledgerCalls: Int64
        var billCalls: Int64?

        init(_ bucket: ProviderBill.Bucket, _ usage: [LedgerUsage]) {
            let mine = usage.filter { bucket.model == nil || $0.model == bucket.model }
            (from, until, model) = (bucket.span.lowerBound, bucket.span.upperBound, bucket.model)
            ledgerNanoUsd = Self.sum(mine.map(\.nanoUSD))
            ledgerInputTokens = Self.sum(mine.map(\.inputTokens))
            ledgerOutputTokens = Self.sum(mine.map(\.outputTokens))
            ledgerCalls = Self.sum(mine.map(\.calls))
            (billNanoUsd, billInputTokens) = (bucket.nanoUSD, bucket.inputTokens)
            (billOutputTokens, billCalls) = (bucket.outputTokens, bucket.calls)
            let pairs = [
                (billNanoUsd, ledgerNanoUsd), (billInputTokens, ledgerInputTokens),
                (billOutputTokens, ledgerOutputTokens), (billCalls, ledgerCalls),
            ]
            let isSame = pairs.allSatisfy { billed, own in billed == nil || billed == own }
            verdict = isSame ? .matched : mine.isEmpty ? .missingHere : .differing
        }

        /// The highest or lowest number there is where a sum does not fit.
        private static func sum(_ parts: [Int64]) -> Int64 {
            parts.reduce(0) { sum, part in
                let (next, isOver) = sum.addingReportingOverflow(part)
                return isOver ? (part < 0 ? .min : .max) : next
            }
        }

        /// All that a bill has of one span, and what only the ledger has of it.
        static func of(_ bill: [ProviderBill.Bucket], _ usage: [LedgerUsage]) -> [Sum] {
            let buckets = called(bill, usage)
            guard let span = buckets.first?.span else { return [] }
            let missing = unnamed(buckets, usage).map { own in
                var sum = Sum(ProviderBill.Bucket(span: span, model: own.model), usage)
                sum.verdict = .missingThere
                return sum
            }
            // Zeros beside charges: each of the charges says so.
            let stated = missing.isEmpty ? buckets : buckets.filter { !$0.isEmpty }
            return stated.map { Sum($0, usage) } + missing
        }

        /// A bill's models by the names that they were called by. Whoever calls an alias is billed for the snapshot
        /// that it stood for; with calls of both, which of the bill is whose, nobody knows.
        private static func called(
            _ bill: [ProviderBill.Bucket], _ usage: [LedgerUsage]
        ) -> [ProviderBill.Bucket] {
            let known = Set(usage.filter { $0.calls > 0 }.map(\.model))
            return ProviderBill.merged(
                bill.map { bucket in
                    guard let model = bucket.model, !known.contains(model), let base = alias(of: model),
                        known.contains(base)
                    else { return bucket }
                    var called = bucket
                    called.model = base
                    return called
                })
        }

        /// A model's name without the date of a snapshot; nil: it has none.
        private static func alias(of model: String) -> String? {
            let match = model.wholeMatch(of: /(.+)-(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})/)
            return match.map { String($0.output.1) }
        }

        /// What was charged of models that the bill does not name. A call that came to nothing is no charge.
        private static func unnamed(_ buckets: [ProviderBill.Bucket], _ usage: [LedgerUsage]) -> [LedgerUsage] {
            // The sum of all models is the sum of each, and an empty span names none.
            if buckets.count == 1, buckets[0].model == nil, !buckets[0].isEmpty { return [] }
            let named = Set(buckets.compactMap(\.model))
            let hasTokens = buckets.contains { $0.inputTokens != nil }
            return usage.filter { own in
                let isCharged = own.nanoUSD != 0 || hasTokens && (own.inputTokens != 0 || own.outputTokens != 0)
                return isCharged && !named.contains(own.model)
            }
        }
    }

    private func compare(_ buckets: [ProviderBill.Bucket]) async throws {
        let provider = provider
        let sums = try await options.administer { admin in
            var sums: [Sum] = []
            var rest = buckets[...]
            while let span = rest.first?.span {
                let same = Array(rest.prefix { $0.span == span })
                rest = rest.dropFirst(same.count)
                sums += Sum.of(same, try await admin.usage(ofProvider: provider, in: span))
            }
            return sums
        }
        try options.show(NamedList("sums", sums), text: Self.text(sums))
        if sums.contains(where: { $0.verdict != .matched }) { throw ExitCode(CommandStatus.failed.rawValue) }
    }

    private static func text(_ sums: [Sum]) -> String {
        var table = TextTable([
            .init("FROM"), .init("UNTIL"), .init("MODEL"), .init("VERDICT"), .init("LEDGER USD", .right),
            .init("BILL USD", .right), .init("LEDGER TOKENS", .right), .init("BILL TOKENS", .right),
            .init("LEDGER CALLS", .right), .init("BILL CALLS", .right),
        ])
        table.rows = sums.map { sum in
            let amount = sum.billNanoUsd.map { NanoUSD($0).usdString } ?? ""
            let tokens = sum.billInputTokens.map { "\($0)+\(sum.billOutputTokens ?? 0)" } ?? ""
            let calls = sum.billCalls.map { String($0) } ?? ""
            return [
                CommandOutput.time(sum.from), CommandOutput.time(sum.until), sum.model ?? "all", sum.verdict.rawValue,
                NanoUSD(sum.ledgerNanoUsd).usdString, amount, "\(sum.ledgerInputTokens)+\(sum.ledgerOutputTokens)",
                tokens, String(sum.ledgerCalls), calls,
            ]
        }
        return table.render()
    }
}
