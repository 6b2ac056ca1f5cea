import Foundation
import Testing

@testable import Postgres

@Suite("Parameters and columns")
struct RoundTripTests {
    private func roundTrip<T: PostgresBindable & PostgresReadable & Equatable>(
        _ pool: PostgresPool, _ type: String, _ values: [T]
    ) async throws {
        for value in values {
            let row = try await pool.query("SELECT \(value)::\(unescaped: type) AS v").rows[0]
            #expect(try row.get("v") == value, "as \(type)")
            // The same through a column of that type, where the parameter's own type has to fit.
            let stored = try await pool.transaction { transaction in
                _ = try await transaction.query("CREATE TEMP TABLE t (v \(unescaped: type)) ON COMMIT DROP")
                return try await transaction.query("INSERT INTO t VALUES (\(value)) RETURNING v").rows[0]
            }
            #expect(try stored.get("v") == value, "stored as \(type)")
        }
        let null = try await pool.query("SELECT \(nil as T?)::\(unescaped: type) AS v").rows[0]
        #expect(try null.getOptional("v", as: T.self) == nil)
        #expect(throws: PostgresError.self) { try null.get("v", as: T.self) }
    }

    @Test("numbers and booleans come back as they went, extremes included")
    func numbers() async throws {
        try await withPool { pool in
            try await roundTrip(pool, "int8", [Int64.min, -1, 0, 1, .max])
            try await roundTrip(pool, "int8", [Int.min, .max])
            try await roundTrip(pool, "int4", [Int32.min, 0, .max])
            try await roundTrip(pool, "int2", [Int16.min, 0, .max])
            try await roundTrip(
                pool, "float8", [0.1, -0.0, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude])
            try await roundTrip(pool, "float4", [Float(0.1), .infinity, .greatestFiniteMagnitude])
            try await roundTrip(pool, "bool", [true, false])
            let nan = try await pool.query("SELECT \(Double.nan) AS v").rows[0]
            #expect(try nan.get("v", as: Double.self).isNaN)
        }
    }

    @Test("text of every kind comes back byte for byte")
    func text() async throws {
        try await withPool { pool in
            let long = String(repeating: "x", count: 300_000)
            let texts = ["", "'; DROP TABLE t; --", "\"\\\n\t$1 {},NULL", "héllo 👩‍👩‍👧 中文", long]
            try await roundTrip(pool, "text", texts)
            try await roundTrip(pool, "jsonb", [PostgresJSON(#"{"a": [1, "x\"y", null]}"#)])
        }
    }

    @Test("bytes, identifiers and dates come back as they went")
    func others() async throws {
        try await withPool { pool in
            try await roundTrip(pool, "bytea", [[], [0], Array(0...255)] as [[UInt8]])
            try await roundTrip(pool, "uuid", [UUID(), UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))])
            let dates = [0, 1_700_000_000.123456, -62_135_596_800, -1.5, 253_402_300_799, 951_782_400].map {
                Date(timeIntervalSince1970: $0)
            }
            for date in dates {
                let row = try await pool.query("SELECT \(date) AS v, extract(epoch FROM \(date))::float8 AS e").rows[0]
                let back: Date = try row.get("v")
                #expect(abs(back.timeIntervalSince(date)) < 0.000_001)
                #expect(abs(try row.get("e", as: Double.self) - date.timeIntervalSince1970) < 0.000_001)
            }
            let offset = try await pool.query("SELECT '2026-11-22 12:00:00.5+05:30'::timestamptz AS v").rows[0]
            #expect(try offset.get("v", as: Date.self).timeIntervalSince1970 == 1_795_329_000.5)
            let infinity = try await pool.query("SELECT 'infinity'::timestamptz AS v").rows[0]
            #expect(throws: PostgresError.self) { try infinity.get("v", as: Date.self) }
        }
    }

    @Test("arrays come back as they went, empty ones and NULL elements included")
    func arrays() async throws {
        try await withPool { pool in
            try await roundTrip(pool, "int8[]", [[], [Int64.min, 0, .max]])
            try await roundTrip(pool, "int4[]", [[], [Int32.min, .max]])
            try await roundTrip(pool, "int2[]", [[], [Int16.min, .max]])
            try await roundTrip(pool, "float8[]", [[], [0.1, -.infinity, 1e300]])
            try await roundTrip(pool, "bool[]", [[], [true, false]])
            try await roundTrip(pool, "uuid[]", [[], [UUID(), UUID()]])
            let awkward = ["", "NULL", "null", "a,b", "{x}", "q\"q", "b\\b", " lead", "新", "'"]
            try await roundTrip(pool, "text[]", [[], awkward])
            try await roundTrip(pool, "text[]", [[nil, "NULL", "", nil]] as [[String?]])
            try await roundTrip(pool, "int8[]", [[nil, 1, nil]] as [[Int64?]])
            try await roundTrip(pool, "bytea[]", [[], [[], [0, 255]]] as [[[UInt8]]])
            let dates = [Date(timeIntervalSince1970: 0), Date(timeIntervalSince1970: 1_700_000_000)]
            try await roundTrip(pool, "timestamptz[]", [[], dates])
            try await roundTrip(pool, "timestamptz[]", [[nil, dates[1], nil]] as [[Date?]])
            try await roundTrip(pool, "jsonb[]", [[PostgresJSON(#"{"a": "b,\"}"}"#)]])
        }
    }

    @Test("what PostgreSQL cannot store is refused before it is sent, and names no value")
    func refused() async throws {
        try await withPool { pool in
            for statement: PostgresStatement in [
                "SELECT \("sec\0ret")", "SELECT \(["sec\0ret"])", "SELECT \(Date(timeIntervalSince1970: 1e15))",
                "SELECT \([Date.distantFuture, Date(timeIntervalSince1970: .nan)])",
                "SELECT \([nil, "sec\0ret"] as [String?])",
                "SELECT \([nil, Date(timeIntervalSince1970: 1e15)] as [Date?])",
            ] {
                let error = try await failure { _ = try await pool.query(statement) }
                #expect(error.code == .encoding)
                #expect(!error.outcomeUnknown && !error.message.contains("ret"))
            }
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }

    @Test("a column that is missing or of another type is an error, not a guess")
    func decoding() async throws {
        try await withPool { pool in
            let row = try await pool.query("SELECT 'x' AS a, 300 AS b, '{{1},{2}}'::int8[] AS c").rows[0]
            #expect(throws: PostgresError.self) { try row.get("nope", as: String.self) }
            #expect(throws: PostgresError.self) { try row.get("a", as: Int64.self) }
            #expect(throws: PostgresError.self) { try row.get("b", as: Bool.self) }
            #expect(throws: PostgresError.self) { try row.get("c", as: [Int64].self) }
            #expect(try row.get("b", as: Int16.self) == 300)
        }
    }

    @Test("an identifier is quoted, so that it cannot end its quotes")
    func identifiers() async throws {
        #expect(PostgresStatement.quoted("a\"b") == "\"a\"\"b\"")
        try await withPool { pool in
            let name = "we\"ird; DROP"
            let row = try await pool.query("SELECT 1 AS \(ident: name)").rows[0]
            #expect(try row.get(name) == 1)
        }
    }

    @Test("affected rows are counted, and no row is no error")
    func affected() async throws {
        try await withPool { pool in
            _ = try await pool.query("CREATE TABLE t (v int8)")
            #expect(try await pool.query("INSERT INTO t SELECT generate_series(1, 5)").affected == 5)
            #expect(try await pool.query("UPDATE t SET v = v + 1 WHERE v > \(3)").affected == 2)
            let none = try await pool.query("SELECT v FROM t WHERE v = \(99)")
            #expect(none.rows.isEmpty && none.affected == 0)
        }
    }
}
