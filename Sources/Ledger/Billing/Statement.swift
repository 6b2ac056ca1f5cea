package import Foundation

/// What a tenant owes for a month of its time zone, and how that came about. Sums are exact.
package struct Statement: Sendable, Codable, Hashable {
    /// A row of one breakdown.
    package struct Line: Sendable, Codable, Hashable {
        package var name: String
        package var nanoUSD: Int64
        package var unreconciledNanoUSD: Int64
        package var calls: Int64
        enum CodingKeys: String, CodingKey {
            case name
            case nanoUSD = "nano_usd"
            case unreconciledNanoUSD = "unreconciled_nano_usd"
            case calls
        }
    }
    /// What somebody entered by hand.
    package struct Entry: Sendable, Codable, Hashable {
        package var id: Int64
        package var at: Date
        package var kind: StatementEntryKind
        /// Added to what is owed: a credit is negative.
        package var nanoUSD: Int64
        package var author: String
        package var reason: String
        enum CodingKeys: String, CodingKey {
            case id
            case at
            case kind
            case nanoUSD = "nano_usd"
            case author
            case reason
        }
    }
    /// What a closed month's spend and chargeback differ by from what was stated.
    package struct Correction: Sendable, Codable, Hashable {
        package var month: String
        package var nanoUSD: Int64
        enum CodingKeys: String, CodingKey {
            case month
            case nanoUSD = "nano_usd"
        }
    }

    /// Months from the first to the last of them.
    package struct OpenMonths: Sendable, Codable, Hashable {
        package var first: String
        package var last: String

        /// "2026-06", or "2026-06 to 2026-08".
        package var text: String { first == last ? first : "\(first) to \(last)" }
    }

    package var tenant: String
    package var month: String
    package var timeZone: String
    /// The month's first moment and its end.
    package var from: Date
    package var until: Date
    /// Nil: the month is open, and this is how it stands.
    package var closedAt: Date?
    package var closedBy: String?
    /// Months before this one that are not closed: what they come to is not in the opening. Nil: none are.
    package var openBefore: OpenMonths?
    /// The closing of the last month before this one that is closed.
    package var openingNanoUSD: Int64
    package var spendNanoUSD: Int64
    /// Part of the spend: posted in full because the charge is not known.
    package var unreconciledNanoUSD: Int64
    /// What local models are charged inside the company, besides the spend.
    package var chargebackNanoUSD: Int64
    package var corrections: [Correction]
    package var entries: [Entry]
    package var closingNanoUSD: Int64
    /// By team, key, model, route and day, each adding up to the spend.
    package var breakdown: [String: [Line]]
    /// The same of the chargeback.
    package var chargeback: [String: [ChargebackLine]]

    enum CodingKeys: String, CodingKey {
        case tenant
        case month
        case timeZone = "time_zone"
        case from
        case until
        case closedAt = "closed_at"
        case closedBy = "closed_by"
        case openBefore = "open_before"
        case openingNanoUSD = "opening_nano_usd"
        case spendNanoUSD = "spend_nano_usd"
        case unreconciledNanoUSD = "unreconciled_nano_usd"
        case chargebackNanoUSD = "chargeback_nano_usd"
        case corrections
        case entries
        case closingNanoUSD = "closing_nano_usd"
        case breakdown
        case chargeback
    }

    /// What corrections add up to. The sum fits, whatever the order: some of it alone need not.
    package var correctedNanoUSD: Int64 { corrections.reduce(0) { $0 &+ $1.nanoUSD } }
    /// What entries add up to.
    package var enteredNanoUSD: Int64 { entries.reduce(0) { $0 &+ $1.nanoUSD } }
}

extension Statement {
    /// Months that were closed before there was a chargeback have none.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        tenant = try values.decode(String.self, forKey: .tenant)
        month = try values.decode(String.self, forKey: .month)
        timeZone = try values.decode(String.self, forKey: .timeZone)
        from = try values.decode(Date.self, forKey: .from)
        until = try values.decode(Date.self, forKey: .until)
        closedAt = try values.decodeIfPresent(Date.self, forKey: .closedAt)
        closedBy = try values.decodeIfPresent(String.self, forKey: .closedBy)
        openBefore = try values.decodeIfPresent(OpenMonths.self, forKey: .openBefore)
        openingNanoUSD = try values.decode(Int64.self, forKey: .openingNanoUSD)
        spendNanoUSD = try values.decode(Int64.self, forKey: .spendNanoUSD)
        unreconciledNanoUSD = try values.decode(Int64.self, forKey: .unreconciledNanoUSD)
        chargebackNanoUSD = try values.decodeIfPresent(Int64.self, forKey: .chargebackNanoUSD) ?? 0
        corrections = try values.decode([Correction].self, forKey: .corrections)
        entries = try values.decode([Entry].self, forKey: .entries)
        closingNanoUSD = try values.decode(Int64.self, forKey: .closingNanoUSD)
        breakdown = try values.decode([String: [Line]].self, forKey: .breakdown)
        chargeback = try values.decodeIfPresent([String: [ChargebackLine]].self, forKey: .chargeback) ?? [:]
    }

    /// One JSON document, members sorted, instants in ISO 8601: what is kept and hashed when a month is closed.
    package func jsonText() throws(LedgerError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
            throw LedgerError(.database, "a statement cannot be written")
        }
    }

    /// Reads what `jsonText` has written.
    package init(json text: String) throws(LedgerError) {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do { self = try decoder.decode(Statement.self, from: Data(text.utf8)) } catch {
            throw LedgerError(.database, "a statement cannot be read")
        }
    }
}

/// What is entered by hand.
package enum StatementEntryKind: String, Sendable, Codable, CaseIterable {
    /// Money granted: less is owed.
    case credit
    /// Either way.
    case adjustment
    /// Money received.
    case payment
}

/// One line of a list of closed months.
package struct StatementSummary: Sendable, Codable, Hashable {
    package var month: String
    package var closedAt: Date
    package var closedBy: String
    package var closingNanoUSD: Int64
    package var sha256: String
    enum CodingKeys: String, CodingKey {
        case month
        case closedAt = "closed_at"
        case closedBy = "closed_by"
        case closingNanoUSD = "closing_nano_usd"
        case sha256
    }
}
