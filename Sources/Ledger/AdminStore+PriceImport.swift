package import Foundation
package import GatewayCore
internal import Postgres

/// What became of each price of an import.
package struct PriceImport: Sendable {
    /// From when on the new versions count.
    package var effectiveAt: Date
    /// New versions; of a dry run those that would be, without an id.
    package var imported: [ModelPrice] = []
    /// The price in force at that moment charges the same.
    package var unchanged: [ModelReference] = []
    /// Another price takes effect at exactly that moment: versions are not replaced.
    package var conflicting: [ModelReference] = []
    /// What can be no price here.
    package var skipped: [Skipped] = []

    /// A price that is none, and why.
    package struct Skipped: Sendable, Hashable {
        package var model: ModelReference
        package var reason: String
    }
}

extension AdminStore {
    /// The most prices of one import.
    package static let maxImportedPrices = 50_000

    /// Adds a version of each price that differs from the one in force at that moment, all in one transaction. One that
    /// can be no price here, such as a pattern's, is skipped: a file of thousands is not lost for it.
    /// - Parameters:
    ///   - prices: at most one of each model.
    ///   - effectiveAt: nil is now.
    ///   - source: the file's name, kept with every version.
    ///   - isDryRun: says what would be done, and changes nothing.
    package func importPrices(
        _ prices: [ModelPrice], effectiveAt: Date? = nil, source: String, isDryRun: Bool = false
    ) async throws(LedgerError) -> PriceImport {
        try AdminText.check(source, field: "source")
        guard prices.count <= Self.maxImportedPrices else {
            throw LedgerError(.invalid, field: "file", "has more than \(Self.maxImportedPrices) prices")
        }
        guard Set(prices.map(\.model)).count == prices.count else {
            throw LedgerError(.invalid, field: "file", "has two prices of one model")
        }
        let (usable, skipped) = Self.tested(prices)
        return try await changing { transaction in
            // One import at a time: the next one sees what this one added. Then the clock: not that of its start.
            _ = try await transaction.query("select version from catalog_version for update")
            let clock = try await transaction.query("select clock_timestamp() as at").rows.first
            guard let at = try effectiveAt ?? clock?.get("at", as: Date.self) else {
                throw LedgerError(.database, "the database does not know the time")
            }
            let known = try await inForce(at, transaction)
            var result = PriceImport(effectiveAt: at)
            result.skipped = skipped
            for price in usable {
                guard let old = known[price.model] else {
                    result.imported.append(price)
                    continue
                }
                if old.price.chargesLike(price) {
                    result.unchanged.append(price.model)
                } else if old.effectiveAt == at {
                    result.conflicting.append(price.model)
                } else {
                    result.imported.append(price)
                }
            }
            guard !isDryRun, !result.imported.isEmpty else { return result }
            let added = try await insert(result.imported, at: at, source: source, transaction)
            let missing = Set(result.imported.map(\.model)).subtracting(added.map(\.price.model))
            result.conflicting += missing.sorted { $0.description < $1.description }
            result.imported = added.map(\.price)
            try await note(added, after: known, transaction)
            return result
        }
    }

    /// Those that can be a price, and the others with what is wrong with them.
    private static func tested(_ prices: [ModelPrice]) -> (usable: [ModelPrice], skipped: [PriceImport.Skipped]) {
        var (usable, skipped): ([ModelPrice], [PriceImport.Skipped]) = ([], [])
        for price in prices {
            do throws(LedgerError) {
                try LocalRate.check(price)
                try PriceDraft.check(price.model)
                usable.append(price)
            } catch {
                skipped.append(PriceImport.Skipped(model: price.model, reason: error.message))
            }
        }
        return (usable, skipped)
    }

    /// Each model's price at a moment.
    func inForce(
        _ at: Date, _ transaction: PostgresTransaction
    ) async throws -> [ModelReference: (price: ModelPrice, effectiveAt: Date)] {
        let rows = try await transaction.query(
            """
            select \(unescaped: ModelPrice.columns) from prices p
            where p.effective_at = (select max(q.effective_at) from prices q
              where q.provider = p.provider and q.model = p.model and q.effective_at <= \(at))
            """
        ).rows
        var known: [ModelReference: (price: ModelPrice, effectiveAt: Date)] = [:]
        for row in rows {
            let price = try ModelPrice(row)
            known[price.model] = (price, try row.get("effective_at"))
        }
        return known
    }

    /// One event a version, in one statement.
    private func note(
        _ added: [PriceInfo], after known: [ModelReference: (price: ModelPrice, effectiveAt: Date)],
        _ transaction: PostgresTransaction
    ) async throws {
        let texts = try added.map { PostgresJSON(try LedgerJSON.text($0)) }
        let before = try added.map { try known[$0.price.model].map { PostgresJSON(try LedgerJSON.text($0.price)) } }
        _ = try await transaction.query(
            """
            insert into events (actor, origin, action, subject, after, before)
            select \(actor), nullif(concat_ws(' via ', \(optional: origin), host(inet_client_addr())), ''),
              'price.import', u.* from unnest(\(added.map(\.price.model.description)), \(texts), \(before)) u
            """)
    }
}
