package import Foundation
internal import GatewayCore

/// One charged call as the provider has it.
package struct BilledCall: Sendable, Hashable {
    /// The provider's own name of the call, as the ledger keeps it.
    package var providerRequest: String
    /// The id that the gateway sent with it.
    package var request: String
    package var model: String
    package var nanoUSD: Int64
    package var inputTokens: Int64
    package var outputTokens: Int64

    package init(
        providerRequest: String, request: String, model: String, nanoUSD: Int64, tokens: (input: Int64, output: Int64)
    ) {
        self.providerRequest = providerRequest
        self.request = request
        self.model = model
        self.nanoUSD = nanoUSD
        inputTokens = tokens.input
        outputTokens = tokens.output
    }

    /// When its request began, as the id that the gateway sent says (UUIDv7: milliseconds in its first 48 bits); nil:
    /// it is another id.
    package var requestedAt: Date? {
        guard let id = UUID(uuidString: request)?.uuid, id.6 >> 4 == 7 else { return nil }
        let bytes = [id.0, id.1, id.2, id.3, id.4, id.5]
        return Date(timeIntervalSince1970: Double(bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) / 1000)
    }
}

/// One paid call as the ledger has it: all its entries together.
package struct LedgerCall: Sendable, Hashable {
    package var request: UUID
    package var step: Int16
    package var attempt: Int16
    package var tenantID: Int64
    package var tenant: String
    package var model: String
    package var providerRequest: String?
    package var nanoUSD: Int64
    /// Posted in full, because its charge is not known.
    package var isUnreconciled: Bool
    /// When its hold was taken.
    package var takenAt = Date.distantPast

    package var name: String { "\(request.text)/\(step)/\(attempt)" }
}

/// A provider's bill beside the ledger, call by call.
package struct Reconciliation: Sendable, Codable, Hashable {
    /// Most lines of one list; the counts and sums are of all.
    package static let maxLines = 1000

    /// A call that is not the same in both.
    package struct Line: Sendable, Codable, Hashable {
        /// The ledger's name of it, or the provider's.
        package var call: String
        package var tenant: String?
        package var model: String
        package var ledgerNanoUSD: Int64?
        package var billNanoUSD: Int64?
        enum CodingKeys: String, CodingKey {
            case call
            case tenant
            case model
            case ledgerNanoUSD = "ledger_nano_usd"
            case billNanoUSD = "bill_nano_usd"
        }
    }
    /// Lines, and what all of them come to.
    package struct Group: Sendable, Codable, Hashable {
        package var count = 0
        package var ledgerNanoUSD: Int64 = 0
        package var billNanoUSD: Int64 = 0
        package var lines: [Line] = []
        enum CodingKeys: String, CodingKey {
            case count
            case ledgerNanoUSD = "ledger_nano_usd"
            case billNanoUSD = "bill_nano_usd"
            case lines
        }

        mutating func add(_ call: LedgerCall?, _ billed: BilledCall?, keep: Bool = true) {
            count += 1
            ledgerNanoUSD = Reconciliation.sum(ledgerNanoUSD, call?.nanoUSD ?? 0)
            billNanoUSD = Reconciliation.sum(billNanoUSD, billed?.nanoUSD ?? 0)
            guard keep, lines.count < Reconciliation.maxLines else { return }
            lines.append(
                Line(
                    call: call?.name ?? billed?.providerRequest ?? "", tenant: call?.tenant,
                    model: call?.model ?? billed?.model ?? "", ledgerNanoUSD: call?.nanoUSD,
                    billNanoUSD: billed?.nanoUSD))
        }
    }

    /// The same in both.
    package var matched = Group()
    /// In both, with another amount.
    package var differing = Group()
    /// On the bill, and not in the ledger.
    package var missingHere = Group()
    /// Charged in the ledger, and not on the bill.
    package var missingThere = Group()
    /// Posted in full in the ledger, and found on the bill: what the charge really was.
    package var resolvable = Group()
    /// Of those, how many were resolved by compensating entries.
    package var resolved = 0
    package var ledgerNanoUSD: Int64 = 0
    package var billNanoUSD: Int64 = 0
    /// What can be resolved, call by call.
    package private(set) var found: [Found] = []
    /// What is told of; nil: everything.
    private var span: Range<Date>?

    /// An unreconciled call and its line of the bill.
    package struct Found: Sendable, Hashable {
        package var call: LedgerCall
        package var billed: BilledCall
    }

    enum CodingKeys: String, CodingKey {
        case matched
        case differing
        case missingHere = "missing_here"
        case missingThere = "missing_there"
        case resolvable
        case resolved
        case ledgerNanoUSD = "ledger_nano_usd"
        case billNanoUSD = "bill_nano_usd"
    }

    package init() {}

    /// Whether ledger and bill are the same, call by call.
    package var isEven: Bool {
        differing.count == 0 && missingHere.count == 0 && missingThere.count == 0 && resolvable.count == resolved
    }

    /// The highest or lowest amount there is where a sum does not fit: whether both are even is told call by call, and
    /// a bill whose own sums do not fit is refused where it is read.
    private static func sum(_ a: Int64, _ b: Int64) -> Int64 {
        let (sum, isOver) = a.addingReportingOverflow(b)
        return isOver ? (b < 0 ? .min : .max) : sum
    }

    /// Lays a bill beside the ledger. A call is found by the provider's name of it; one whose answer never came has
    /// none, and is found by the id that was sent with it, if no other call or line could be meant.
    /// - Parameter span: only what is of this time is told: calls whose holds were taken in it, and lines without a
    ///   call here whose requests began in it, or do not say when. All are laid beside each other nevertheless: a line
    ///   whose call lies outside is not missing here. Nil: everything.
    package static func of(
        bill: [BilledCall], ledger: [LedgerCall], in span: Range<Date>? = nil
    ) -> Reconciliation {
        var result = Reconciliation()
        result.span = span
        var open = Dictionary(bill.map { ($0.providerRequest, $0) }, uniquingKeysWith: { first, _ in first })
        if open.count < bill.count {
            // A name that comes twice is one call that the provider charged twice.
            var seen: Set<String> = []
            for line in bill where !seen.insert(line.providerRequest).inserted { result.tell(\.missingHere, nil, line) }
        }
        var nameless: [LedgerCall] = []
        // Of several calls with one name it is one that cost something that the line is of.
        for call in ledger.filter({ $0.nanoUSD != 0 }) + ledger.filter({ $0.nanoUSD == 0 }) {
            guard let name = call.providerRequest, let line = open.removeValue(forKey: name) else {
                nameless.append(call)
                continue
            }
            if call.isUnreconciled {
                result.resolve(call, line)
            } else if call.nanoUSD == line.nanoUSD {
                result.tell(\.matched, call, line, keep: false)
            } else {
                result.tell(\.differing, call, line)
            }
        }
        let byRequest = Dictionary(grouping: open.values) { $0.request.lowercased() }
        for (request, calls) in Dictionary(grouping: nameless, by: { $0.request.text }) {
            var rest = calls
            let unsure = calls.filter(\.isUnreconciled)
            if unsure.count == 1, let lines = byRequest[request], lines.count == 1 {
                result.resolve(unsure[0], lines[0])
                open.removeValue(forKey: lines[0].providerRequest)
                rest = calls.filter { !$0.isUnreconciled }
            }
            for call in rest where call.nanoUSD != 0 { result.tell(\.missingThere, call, nil) }
        }
        for line in open.values.sorted(by: { $0.providerRequest < $1.providerRequest }) {
            result.tell(\.missingHere, nil, line)
        }
        result.missingThere.lines.sort { $0.call < $1.call }
        result.found.sort { $0.call.name < $1.call.name }
        return result
    }

    /// The time of the ledger that a bill has to be laid beside for `span`: that of all its lines, too.
    package static func time(of bill: [BilledCall], and span: Range<Date>) -> Range<Date> {
        let all = Date(timeIntervalSince1970: 0)..<Date(timeIntervalSince1970: 253_370_764_800)
        var time = span
        for line in bill {
            guard let at = line.requestedAt, all.contains(at) else { return all }
            // A call is made while its request runs, or its batch.
            time = min(time.lowerBound, at - margin)..<max(time.upperBound, at + margin)
        }
        return time
    }

    private static let margin: TimeInterval = 3 * 86_400

    /// Puts a call into one of the groups, and its amounts into the sums, if it is of the time that is asked for.
    private mutating func tell(
        _ group: WritableKeyPath<Reconciliation, Group>, _ call: LedgerCall?, _ line: BilledCall?, keep: Bool = true
    ) {
        if let span, let at = call?.takenAt ?? line?.requestedAt, !span.contains(at) { return }
        self[keyPath: group].add(call, line, keep: keep)
        ledgerNanoUSD = Self.sum(ledgerNanoUSD, call?.nanoUSD ?? 0)
        billNanoUSD = Self.sum(billNanoUSD, line?.nanoUSD ?? 0)
    }

    private mutating func resolve(_ call: LedgerCall, _ line: BilledCall) {
        let known = resolvable.count
        tell(\.resolvable, call, line)
        if resolvable.count > known { found.append(Found(call: call, billed: line)) }
    }
}
