import Foundation
import Testing

/// `ops/soak` in short: it prints what it counted, and ends well only if the books hold.
@Suite("Three gateways under load while everything dies, and a failover", .serialized)
struct SoakTests {
    @Test(
        "row 12: the ledger is the bill, nothing stays held, and the cap holds at every commit of the write-ahead log",
        arguments: [[], ["--failover"]])
    func soak(options: [String]) async throws {
        let checkout = URL(filePath: #filePath).appending(path: "../../..").standardized.path
        let arguments =
            ["ops/soak", "--seconds", "12", "--clients", "20", "--gboost", try Program.executable()] + options
        let output = try await Program.output(of: "/usr/bin/env", ["python3"] + arguments, in: checkout)
        #expect(output.hasSuffix("soak: the books hold\n"), "\(output)")
        print(output)
    }
}
