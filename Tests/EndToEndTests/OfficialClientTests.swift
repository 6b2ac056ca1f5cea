import Foundation
import Testing

/// Of the one suite that runs its tests one after the other.
extension RealProcessTests {
    /// A Python with the official clients. `ops/test` installs one and names it; a plain `swift test` may have none.
    private static let python = ProcessInfo.processInfo.environment["GBOOST_PYTHON"]

    @Test(
        "row 20: The official OpenAI client, unmodified: the stream is the text, refusals raise and are not retried",
        .enabled(if: python != nil, "GBOOST_PYTHON names no Python with the client: ops/test installs one"))
    func openAI() async throws {
        let python = try #require(Self.python)
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scripts/openai_client.py")
        let world = try await World.make()
        do {
            let key = try await world.tenant("acme", limitUSD: "5")
            let poor = try await world.tenant("poor", limitUSD: "0")
            let gateway = try await world.gateway()
            let output = try await Program.output(
                of: python, [script.path, "http://127.0.0.1:\(gateway.port)/v1", key, poor], in: world.directory)
            #expect(output.contains("checks passed"), "\(output)")
            let books = try await Books.read(world, tenant: "acme")
            books.check()
            #expect(books.bill > 0 && books.bill == books.settled)
            #expect(try await Books.read(world, tenant: "poor").settled == 0)
            await gateway.stop()
            await world.destroy()
        } catch {
            await world.destroy()
            throw error
        }
    }
}
