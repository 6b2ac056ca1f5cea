internal import Foundation
internal import Postgres

/// How long the months of one relation are kept.
package struct RetentionInfo: Sendable, Codable, Hashable {
    /// requests · escalations
    package var relation: String
    /// Whole months before the current one; nil: for ever.
    package var months: Int?
    /// Partitions that hold a month, oldest first.
    package var partitions: [String]
}

extension AdminStore {
    /// What retention applies to. Ledger entries are kept for ever.
    package static let retainedRelations = ["requests", "escalations"]
    /// A hundred years.
    private static let maxMonths = 1200

    /// How long everything is kept.
    package func retention() async throws(LedgerError) -> [RetentionInfo] {
        try await reading { try await Self.retention($0) }
    }

    /// Keeps a relation's months for so long; the next run of the six-hourly job drops what is older.
    /// - Parameter months: nil keeps them for ever.
    package func setRetention(_ relation: String, months: Int?) async throws(LedgerError) -> RetentionInfo {
        guard Self.retainedRelations.contains(relation) else {
            throw LedgerError(
                .invalid, field: "relation", "is one of \(Self.retainedRelations.joined(separator: ", "))")
        }
        guard months.map({ (1...Self.maxMonths).contains($0) }) ?? true else {
            throw LedgerError(.invalid, field: "months", "is a number of 1…\(Self.maxMonths)")
        }
        return try await changing { transaction in
            let before = try await Self.retention(transaction).first { $0.relation == relation }
            if let months {
                _ = try await transaction.query(
                    """
                    insert into retention (relation, months) values (\(relation), \(Int32(months)))
                    on conflict (relation) do update set months = excluded.months
                    """)
            } else {
                _ = try await transaction.query("delete from retention where relation = \(relation)")
            }
            let after = try await Self.retention(transaction).first { $0.relation == relation }
            try await note(
                "retention.set", (relation, nil), before: ["months": before?.months], after: ["months": months],
                transaction)
            guard let after else { throw LedgerError(.notFound, field: "relation", "\(relation) is not kept by month") }
            return after
        }
    }

    private static func retention(_ transaction: PostgresTransaction) async throws -> [RetentionInfo] {
        let rows = try await transaction.query(
            """
            select n.relation, r.months, (select coalesce(array_agg(c.relname::text order by c.relname), '{}')
                from pg_inherits i join pg_class c on c.oid = i.inhrelid
               where i.inhparent = n.relation::regclass and c.relname ~ '_[0-9]{6}$') as partitions
              from unnest(\(retainedRelations)) with ordinality n(relation, o)
              left join retention r on r.relation = n.relation order by n.o
            """
        ).rows
        return try rows.map { row in
            let months: Int32? = try row.getOptional("months")
            return RetentionInfo(
                relation: try row.get("relation"), months: months.map { Int($0) }, partitions: try row.get("partitions")
            )
        }
    }
}
