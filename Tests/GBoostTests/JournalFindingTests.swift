import Foundation
import GatewayTesting
import Testing

@testable import Ledger
@testable import gboost

@Suite("What the doctor says of the journal's directory")
struct JournalFindingTests {
    private static func place(
        obstacle: String? = nil, isInUse: Bool = false, isServing: Bool = false,
        free: Int64? = SettlementJournal.leastFreeBytes
    ) -> MachineChecks.JournalPlace {
        MachineChecks.JournalPlace(
            path: "/j", obstacle: obstacle, isInUse: isInUse, isServing: isServing, freeBytes: free)
    }

    @Test("one without room is not said to be writable; one that is in use is this gateway's own where its port is")
    func said() {
        let short = SettlementJournal.leastFreeBytes - 1
        let cases: [(place: MachineChecks.JournalPlace, state: Finding.State, words: String)] = [
            (Self.place(), .ok, "can be written"), (Self.place(free: nil), .ok, "can be written"),
            (Self.place(isServing: true), .ok, "can be written"),
            (Self.place(obstacle: "/j is not a directory"), .problem, "cannot be used: /j is not a directory"),
            (Self.place(free: short), .problem, "has no room, 1023 KiB free"),
            (Self.place(isInUse: true, isServing: true, free: 0), .problem, "has no room, 0 KiB free"),
            (Self.place(isInUse: true, isServing: true), .ok, "is in use by a running gateway"),
            (Self.place(isInUse: true), .problem, "is in use by another gateway"),
        ]
        for (place, state, words) in cases {
            let found = MachineChecks.journal(place)
            #expect(found.check == "journal" && found.state == state, "\(found)")
            #expect(found.message.hasPrefix("/j \(words)"), "\(found)")
            #expect((found.remedy == nil) == (state == .ok))
        }
    }

    @Test("a journal that another process has is found to be in use, and not before or after")
    func locked() async throws {
        let directory = TestFiles.path("locked")
        // Nobody listens there.
        let configuration = try ConfigurationTests.load(
            "server: { port: 1 }\ndatabase: { embedded: d }\nledger: { journal: \"\(directory)\" }")
        func state() -> Finding? {
            MachineChecks(configuration: configuration, environment: [:]).directories().first
        }
        #expect(state()?.state == .ok)
        let journal = try SettlementJournal(directory: directory)
        #expect(state()?.state == .problem && state()?.message.contains("is in use by another gateway") == true)
        await journal.close()
        #expect(state()?.state == .ok)
    }
}
