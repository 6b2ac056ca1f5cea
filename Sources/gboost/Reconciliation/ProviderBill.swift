internal import Foundation
internal import Ledger

/// What a provider says that it charged, from one of its exports.
struct ProviderBill {
    /// A sum over a span of time, of one model or of all; nil: the bill does not say.
    struct Bucket: Hashable {
        var span: Range<Date>
        var model: String?
        var nanoUSD: Int64?
        var inputTokens: Int64?
        var outputTokens: Int64?
        var calls: Int64?
        /// The bill has the span, and nothing in it.
        var isEmpty = false
    }

    /// Largest file that is read.
    static let maxBytes = 1 << 30
    private static let instants =
        Date(timeIntervalSince1970: 0)...Date(timeIntervalSince1970: 253_402_300_799)

    var calls: [BilledCall] = []
    var buckets: [Bucket] = []

    /// Reads the simulated provider's bill (lines of JSON), pages of OpenAI's usage and costs, or of Anthropic's usage
    /// and cost reports. Which one it is, it says itself.
    init(_ data: Data) throws(CommandFailure) {
        if let lines = try Self.simulated(data) {
            calls = lines
            try Self.checkSum(lines.map(\.nanoUSD))
            try Self.checkSum(lines.flatMap { [$0.inputTokens, $0.outputTokens] })
        } else if let page = try? Self.decoder.decode(OpenAIPage.self, from: data) {
            try Self.checkWhole(page.hasMore)
            try Self.checkCurrency(page.data.flatMap(\.results).compactMap { $0.amount?.currency })
            buckets = page.data.flatMap(\.buckets)
        } else if let page = try? Self.decoder.decode(AnthropicPage.self, from: data) {
            let results = page.data.flatMap(\.results)
            try Self.checkWhole(page.hasMore)
            try Self.checkCurrency(results.compactMap(\.currency))
            try Self.checkSum(results.flatMap(\.inputs))
            buckets = page.data.flatMap(\.buckets)
        } else {
            throw CommandFailure(
                "the file is none of: simulated bill, OpenAI usage or costs, Anthropic usage or cost report")
        }
        let ends = buckets.flatMap { [$0.span.lowerBound, $0.span.upperBound] }
        guard ends.allSatisfy({ Self.instants.contains($0) }) else {
            throw CommandFailure("a span of the bill is not within the years 1970 to 9999")
        }
        for part in [\Bucket.nanoUSD, \Bucket.inputTokens, \Bucket.outputTokens, \Bucket.calls] {
            try Self.checkSum(buckets.compactMap { $0[keyPath: part] })
        }
        buckets = Self.merged(Self.filled(buckets))
    }

    /// What is added up of a bill later, in whatever parts, must fit: so all of it does, whatever its signs.
    private static func checkSum(_ amounts: [Int64]) throws(CommandFailure) {
        var sum: UInt64 = 0
        for amount in amounts {
            let (next, isOver) = sum.addingReportingOverflow(amount.magnitude)
            guard !isOver, next <= UInt64(Int64.max) else { throw CommandFailure("the bill's sums do not fit") }
            sum = next
        }
    }

    /// The ledger knows dollars only.
    private static func checkCurrency(_ all: [String]) throws(CommandFailure) {
        guard let other = all.first(where: { $0.lowercased() != "usd" }) else { return }
        throw .usage("currency", "the bill is in \(other.uppercased()), the ledger in USD")
    }

    /// What other pages have would be missing there.
    private static func checkWhole(_ hasMore: Bool?) throws(CommandFailure) {
        guard hasMore != true else {
            throw .usage("has_more", "is true: fetch every page, and put the data of all of them into the file")
        }
    }

    /// The buckets of sums between two instants; nil: from the first, to the last.
    func part(from first: Date?, until last: Date?) throws(CommandFailure) -> [Bucket] {
        let (first, last) = (first ?? Date.distantPast, last ?? Date.distantFuture)
        for (option, instant) in [("--from", first), ("--until", last)] {
            // A sum cannot be cut in two.
            guard let cut = buckets.first(where: { $0.span.lowerBound < instant && instant < $0.span.upperBound })
            else { continue }
            let (start, end) = (CommandOutput.time(cut.span.lowerBound), CommandOutput.time(cut.span.upperBound))
            throw .usage(option, "lies within a span of the bill, \(start) to \(end)")
        }
        let within = buckets.filter { $0.span.lowerBound >= first && $0.span.upperBound <= last }
        guard !within.isEmpty else { throw .usage("--from, --until", "the bill has no span between them") }
        return within
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }

    /// An empty span is one of zeros, in what the export's other spans count; where there are none, in dollars.
    private static func filled(_ all: [Bucket]) -> [Bucket] {
        let stated = all.filter { !$0.isEmpty }
        let spans = Set(stated.map(\.span))
        let tokens: Int64? = stated.contains { $0.inputTokens != nil } ? 0 : nil
        let empty = all.filter { $0.isEmpty && !spans.contains($0.span) }.map { bucket in
            Bucket(
                span: bucket.span, nanoUSD: tokens == nil ? 0 : nil, inputTokens: tokens, outputTokens: tokens,
                isEmpty: true)
        }
        return stated + empty
    }

    /// One bucket a span and model.
    static func merged(_ all: [Bucket]) -> [Bucket] {
        struct Key: Hashable {
            var span: Range<Date>
            var model: String?
        }
        var sums: [Key: Bucket] = [:]
        func sum(_ a: Int64?, _ b: Int64?) -> Int64? { a == nil && b == nil ? nil : (a ?? 0) + (b ?? 0) }
        for bucket in all {
            let key = Key(span: bucket.span, model: bucket.model)
            guard let old = sums[key] else {
                sums[key] = bucket
                continue
            }
            sums[key] = Bucket(
                span: bucket.span, model: bucket.model, nanoUSD: sum(old.nanoUSD, bucket.nanoUSD),
                inputTokens: sum(old.inputTokens, bucket.inputTokens),
                outputTokens: sum(old.outputTokens, bucket.outputTokens), calls: sum(old.calls, bucket.calls),
                isEmpty: old.isEmpty && bucket.isEmpty)
        }
        return sums.values.sorted {
            ($0.span.lowerBound, $0.span.upperBound, $0.model ?? "")
                < ($1.span.lowerBound, $1.span.upperBound, $1.model ?? "")
        }
    }
}

// MARK: - The simulated provider

extension ProviderBill {
    private struct SimulatedLine: Decodable {
        var requestId: String
        var call: Int
        var model: String
        var inputTokens: Int64
        var outputTokens: Int64
        var nanoUsd: Int64
    }

    /// Nil: its first line is no call. After one that is, every line must be.
    private static func simulated(_ data: Data) throws(CommandFailure) -> [BilledCall]? {
        var calls: [BilledCall] = []
        var number = 0
        for line in data.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            if line.isEmpty { continue }
            guard let line = try? decoder.decode(SimulatedLine.self, from: Data(line)) else {
                if calls.isEmpty { return nil }
                throw CommandFailure("line \(number) is torn, or is no call of a simulated bill")
            }
            calls.append(
                BilledCall(
                    providerRequest: "sim-\(line.call)", request: line.requestId, model: line.model,
                    nanoUSD: line.nanoUsd, tokens: (line.inputTokens, line.outputTokens)))
        }
        return calls
    }
}

// MARK: - OpenAI

/// A page of `organization/usage/completions` or of `organization/costs`.
private struct OpenAIPage: Decodable {
    struct Bucket: Decodable {
        var startTime: Double
        var endTime: Double
        var results: [Result]

        var buckets: [ProviderBill.Bucket] {
            let span = Date(timeIntervalSince1970: startTime)..<Date(timeIntervalSince1970: max(startTime, endTime))
            if results.isEmpty { return [ProviderBill.Bucket(span: span, isEmpty: true)] }
            return results.map { result in
                ProviderBill.Bucket(
                    span: span, model: result.model, nanoUSD: result.amount?.value.nanoUSD(.dollars),
                    inputTokens: result.inputTokens, outputTokens: result.outputTokens,
                    calls: result.numModelRequests)
            }
        }
    }
    struct Result: Decodable {
        var model: String?
        var inputTokens: Int64?
        var outputTokens: Int64?
        var numModelRequests: Int64?
        var amount: Amount?
    }
    struct Amount: Decodable {
        var value: BilledAmount
        var currency: String?
    }
    var data: [Bucket]
    var hasMore: Bool?
}

// MARK: - Anthropic

/// A page of the usage report of messages or of the cost report. Costs are cents in decimal text.
private struct AnthropicPage: Decodable {
    struct Bucket: Decodable {
        var startingAt: Date
        var endingAt: Date
        var results: [Result]

        var buckets: [ProviderBill.Bucket] {
            let span = startingAt..<max(startingAt, endingAt)
            if results.isEmpty { return [ProviderBill.Bucket(span: span, isEmpty: true)] }
            return results.map { result in
                ProviderBill.Bucket(
                    span: span, model: result.model, nanoUSD: result.amount?.nanoUSD(.cents),
                    inputTokens: result.allInput, outputTokens: result.outputTokens)
            }
        }
    }
    struct Result: Decodable {
        var model: String?
        var uncachedInputTokens: Int64?
        var cacheReadInputTokens: Int64?
        /// By how long it is kept.
        var cacheCreation: [String: Int64]?
        var outputTokens: Int64?
        var amount: BilledAmount?
        var currency: String?

        /// All that was read, by how it was.
        var inputs: [Int64] {
            [uncachedInputTokens ?? 0, cacheReadInputTokens ?? 0] + (cacheCreation.map { Array($0.values) } ?? [])
        }
        /// Its sum, as the ledger counts it.
        var allInput: Int64? { uncachedInputTokens.map { _ in inputs.reduce(0, +) } }
    }
    var data: [Bucket]
    var hasMore: Bool?
}
