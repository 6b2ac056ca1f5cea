import HTTPTypes
import Ledger
import Testing

@testable import GatewayServer

@Suite("Administration over HTTP: PUT of what others make and remove at the same moment")
struct AdminPutTests {
    private static let missing = LedgerError(.notFound, field: "route", "acme has no route r")
    private static let taken = LedgerError(.conflict, field: "name", "acme has a route r already")

    /// Puts with tries that end so, in their order; what follows is done.
    private func put(_ ends: [LedgerError]) async throws -> (value: String, isNew: Bool, tries: Int) {
        var tries = 0
        func next(_ done: String) throws -> String {
            tries += 1
            if tries <= ends.count { throw ends[tries - 1] }
            return done
        }
        let (value, isNew) = try await AdminPut.run(
            "route", change: { try next("changed") }, make: { try next("made") })
        return (value, isNew, tries)
    }

    @Test("it is changed or made, whichever can be done; somebody else's turn is no error, and other errors are")
    func turns() async throws {
        let changed = try await put([])
        #expect(changed.value == "changed" && !changed.isNew && changed.tries == 1)
        let made = try await put([Self.missing])
        #expect(made.value == "made" && made.isNew && made.tries == 2)
        let again = try await put([Self.missing, Self.taken, Self.missing])
        #expect(again.value == "made" && again.tries == 4)
        let never = await #expect(throws: LedgerError.self) {
            try await put(Array(repeating: [Self.missing, Self.taken], count: 4).flatMap { $0 })
        }
        #expect(never?.code == .conflict)
        let model = LedgerError(.notFound, field: "slm", "acme has no model s")
        let wrong = await #expect(throws: LedgerError.self) { try await put([model]) }
        #expect(wrong?.field == "slm" && wrong?.code == .notFound)
        let late = await #expect(throws: LedgerError.self) { try await put([Self.missing, model]) }
        #expect(late?.field == "slm")
    }

    @Test("what is put while it is removed is never said to be missing")
    func races() async throws {
        let hook = #"{"tenant": "acme", "kind": "webhook", "target": "https://example.com/", "secrets": ["env:A"]}"#
        let route = #"{"tenant": "acme", "llm": "sim/m", "strategy": "direct"}"#
        try await AdminFixture.with { fixture in
            for (path, body) in [("/routes/r", route), ("/destinations/d", hook)] {
                for _ in 0..<20 {
                    async let removed = fixture.send(.delete, "\(path)?tenant=acme")
                    let put = try await fixture.send(.put, path, body)
                    #expect([200, 201].contains(put.status), "\(put.text)")
                    let status = try await removed.status
                    #expect([200, 404].contains(status))
                }
            }
        }
    }
}
