internal import Postgres

/// The object identifiers of what batches are made of, which each database has its own of.
struct BatchTypes: Sendable {
    var plan: UInt32
    var delta: UInt32
    var count: UInt32
    var settlement: UInt32
    var reservation: UInt32

    static let statement: PostgresStatement = """
        select 'gboost_plan'::regtype::oid::bigint as plan, 'gboost_delta'::regtype::oid::bigint as delta,
          'gboost_count'::regtype::oid::bigint as count, 'gboost_settlement'::regtype::oid::bigint as settlement,
          'gboost_reservation'::regtype::oid::bigint as reservation
        """

    init(_ result: PostgresResult) throws(PostgresError) {
        guard let row = result.rows.first else { throw PostgresError(.decoding, "no types of batches") }
        func type(_ name: String) throws(PostgresError) -> UInt32 {
            UInt32(truncatingIfNeeded: try row.get(name, as: Int64.self))
        }
        plan = try type("plan")
        delta = try type("delta")
        count = try type("count")
        settlement = try type("settlement")
        reservation = try type("reservation")
    }
}
