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
            ledgerNanoUSD += call?.nanoUSD ?? 0
            billNanoUSD += billed?.nanoUSD ?? 0
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

    /// Lays a bill beside the ledger. A call is found by the provider's name of it; one whose answer never came has
    /// none, and is found by the id that was sent with it, if no other call or line could be meant.
    package static func of(bill: [BilledCall], ledger: [LedgerCall]) -> Reconciliation {
        var result = Reconciliation()
        result.billNanoUSD = bill.reduce(0) { $0 + $1.nanoUSD }
        result.ledgerNanoUSD = ledger.reduce(0) { $0 + $1.nanoUSD }
        var open = Dictionary(bill.map { ($0.providerRequest, $0) }, uniquingKeysWith: { first, _ in first })
        if open.count < bill.count {
            // A name that comes twice is one call that the provider charged twice.
            var seen: Set<String> = []
            for line in bill where !seen.insert(line.providerRequest).inserted { result.missingHere.add(nil, line) }
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
                result.matched.add(call, line, keep: false)
            } else {
                result.differing.add(call, line)
            }
        }
        let byRequest = Dictionary(grouping: open.values) { $0.request.lowercased() }
        for (request, calls) in Dictionary(grouping: nameless, by: { $0.request.text }) {
            let unsure = calls.filter(\.isUnreconciled)
            if unsure.count == 1, let lines = byRequest[request], lines.count == 1 {
                result.resolve(unsure[0], lines[0])
                open.removeValue(forKey: lines[0].providerRequest)
                for call in calls where !call.isUnreconciled && call.nanoUSD != 0 { result.missingThere.add(call, nil) }
            } else {
                for call in calls where call.nanoUSD != 0 { result.missingThere.add(call, nil) }
            }
        }
        for line in open.values.sorted(by: { $0.providerRequest < $1.providerRequest }) {
            result.missingHere.add(nil, line)
        }
        result.missingThere.lines.sort { $0.call < $1.call }
        result.found.sort { $0.call.name < $1.call.name }
        return result
    }

    private mutating func resolve(_ call: LedgerCall, _ line: BilledCall) {
        resolvable.add(call, line)
        found.append(Found(call: call, billed: line))
    }
}
