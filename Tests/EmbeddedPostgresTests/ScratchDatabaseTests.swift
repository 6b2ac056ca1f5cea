import Testing

@testable import EmbeddedPostgres

struct ScratchDatabaseTests {
    @Test("each scratch database is empty, its own, and goes when dropped")
    func makeAndDrop() async throws {
        async let first = ScratchDatabase.make()
        async let second = ScratchDatabase.make()
        let (one, other) = try await (first, second)
        #expect(one.url != other.url)
        let binaries = try await ServerBinaries.find(override: nil, major: nil)
        try await Psql(binaries: binaries, url: one.url).run("CREATE TABLE t (n int)")
        let tables = try await Psql(binaries: binaries, url: other.url).run("SELECT to_regclass('t') IS NULL")
        #expect(tables == "t\n")
        try await one.drop()
        try await one.drop()
        #expect(try await !Psql(binaries: binaries, url: one.url).answers())
        #expect(try await Psql(binaries: binaries, url: other.url).answers())
        try await other.drop()
    }

    @Test("names are what PostgreSQL takes without quotes")
    func names() {
        let long = String(repeating: "Ünïcode spaces; ", count: 9)
        #expect(ScratchDatabase.name(function: "reserveTwice()", process: 7, number: 3) == "t7_3_reservetwice")
        let name = ScratchDatabase.name(function: long, process: .max, number: .max)
        #expect(name.utf8.count <= 63)
        #expect(name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
    }

    @Test(
        "another database on the same server",
        arguments: [
            ("postgresql://u@/old?host=/run/x&port=1", "postgresql://u@/new?host=/run/x&port=1"),
            ("postgresql://u@h:5/old", "postgresql://u@h:5/new"),
            ("postgresql://u@h:5", "postgresql://u@h:5/new"),
            ("postgresql://u@h?sslmode=disable", "postgresql://u@h/new?sslmode=disable"),
        ])
    func url(from: String, to: String) {
        #expect(ScratchDatabase.url(from, database: "new") == to)
    }
}
