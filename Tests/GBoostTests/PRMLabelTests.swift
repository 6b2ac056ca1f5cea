import Foundation
import Testing

@testable import gboost

/// Which lines `gboost prm label` labels, whether or not it was interrupted.
@Suite("Lines to be labelled") struct PRMLabelTests {
    private static func rows(_ ids: [String]) throws -> [UnlabelledRow] {
        try ids.enumerated().map { number, id in
            try JSONDecoder().decode(
                UnlabelledRow.self, from: Data("{\"id\":\"\(id)\",\"question\":\"q\(number)\",\"answer\":\"1\"}".utf8))
        }
    }

    @Test("lines that share an id are all labelled, wherever a run was interrupted")
    func repeated() throws {
        let ids = ["a", "b", "a", "c", "a", "b"]
        let rows = try Self.rows(ids)
        for done in 0...ids.count {
            let missing = PRMLabelCommand.missing(of: rows, done: Array(ids.prefix(done)))
            #expect(missing.map(\.offset) == Array(done..<ids.count))
            #expect(missing.map(\.element) == Array(rows[done...]))
        }
    }

    @Test("lines of other data in the output do not count, and more of an id than there are lines do no harm")
    func others() throws {
        let rows = try Self.rows(["a", "b", "a"])
        #expect(PRMLabelCommand.missing(of: rows, done: ["x", "a"]).map(\.offset) == [1, 2])
        #expect(PRMLabelCommand.missing(of: rows, done: ["a", "a", "a", "b"]).isEmpty)
    }
}
