import Testing

@testable import Postgres

@Suite("Pipelined statements")
struct PipelineTests {
    @Test("64 tasks with 200 statements each on one connection all get their own answers")
    func manyTasks() async throws {
        try await withPool(size: 1) { pool in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<64 {
                    group.addTask {
                        for number in 0..<200 {
                            let value = task * 1000 + number
                            // A few texts, so that unprepared, preparing and prepared ones are mixed.
                            let result =
                                number % 3 == 0
                                ? try await pool.query("SELECT \(value) AS v")
                                : try await pool.query("SELECT \(value) AS v, \(unescaped: "\(number % 3)") AS k")
                            #expect(try result.rows[0].get("v") == value)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let statistics = await pool.statistics
            #expect(statistics.queries == 12_800 && statistics.connected == 1 && statistics.inFlight == 0)
        }
    }

    @Test("a statement that fails keeps its SQLSTATE and leaves its neighbours alone")
    func errorsStayApart() async throws {
        try await withPool(size: 1) { pool in
            let outcomes = try await withThrowingTaskGroup(of: (Int, Int?, String?).self) { group in
                for number in 0..<300 {
                    group.addTask {
                        do {
                            let divisor = number % 3
                            let result = try await pool.query("SELECT \(number) / \(divisor) AS v")
                            return (number, try result.rows[0].get("v"), nil)
                        } catch let error as PostgresError {
                            return (number, nil, error.sqlState)
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count == 300)
            for (number, value, state) in outcomes {
                #expect(value == (number % 3 == 0 ? nil : number / (number % 3)))
                #expect(state == (number % 3 == 0 ? "22012" : nil))
            }
            #expect(await pool.statistics.connected == 1)
        }
    }

    @Test("a text that never parses fails its own calls only, however often it is sent")
    func unparsable() async throws {
        try await withPool(size: 1) { pool in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        let error = try? await failure { _ = try await pool.query("SELEC \(1)") }
                        #expect(error?.sqlState == "42601")
                    }
                    group.addTask { #expect((try? await pool.query("SELECT \(2) AS v").rows[0].get("v")) == 2) }
                }
            }
        }
    }

    @Test("results larger than any socket buffer do not stall statements larger than any socket buffer")
    func bothSidesFull() async throws {
        try await withPool(size: 1) { pool in
            let text = String(repeating: "é", count: 500_000)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        let back = try await pool.query("SELECT \(text) AS v").rows[0].get("v", as: String.self)
                        #expect(back == text)
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("more texts than are kept prepared still all work, and the server holds no more than that")
    func eviction() async throws {
        try await withPool(size: 1, .set(\.maxPreparedStatements, 8)) { pool in
            for round in 0..<4 {
                for text in 0..<20 {
                    for _ in 0..<2 {
                        let row = try await pool.query("SELECT \(round) + \(unescaped: "\(text)") AS v").rows[0]
                        #expect(try row.get("v") == round + text)
                    }
                }
            }
            let kept = try await pool.query("SELECT count(*) AS n FROM pg_prepared_statements").rows[0]
            #expect(try kept.get("n", as: Int.self) <= 10)
            #expect(try kept.get("n", as: Int.self) >= 4)
        }
    }

    @Test("a prepared text whose table changed fails once at most, then works again")
    func stalePlan() async throws {
        try await withPool(size: 1) { pool in
            _ = try await pool.query("CREATE TABLE t (a int8)")
            _ = try await pool.query("INSERT INTO t VALUES (1)")
            for _ in 0..<3 { _ = try await pool.query("SELECT * FROM t") }
            _ = try await pool.query("ALTER TABLE t ADD b int8 DEFAULT 2")
            _ = try? await pool.query("SELECT * FROM t")
            #expect(try await pool.query("SELECT * FROM t").rows[0].get("b") == 2)
            _ = try await pool.query("DEALLOCATE ALL")
            _ = try? await pool.query("SELECT * FROM t")
            #expect(try await pool.query("SELECT * FROM t").rows[0].get("b") == 2)
        }
    }

    @Test("COPY is refused without harm to the pool")
    func copy() async throws {
        try await withPool(size: 1) { pool in
            let error = try await failure { _ = try await pool.query("COPY (SELECT 1) TO STDOUT") }
            #expect(error.code == .connection)
            #expect(try await pool.query("SELECT 1 AS v").rows[0].get("v") == 1)
        }
    }
}
