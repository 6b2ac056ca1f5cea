internal import Foundation
package import GatewayCore
package import Logging
package import Postgres
internal import Synchronization

/// Keeps texts of paid calls in the database, encrypted, without anybody waiting for it. What the database cannot take
/// now is let go and counted: the audit has the texts' hashes all the same.
package final class TextStore: TextCapture {
    /// Bytes that wait to be written, prompts and answers together; what comes beyond it is let go.
    package static let maxWaitingBytes = 32 << 20
    /// Of a prompt, and of an answer; the rest is cut off.
    package static let maxTextBytes = 1 << 20

    private let pool: PostgresPool
    private let keys: TextKeyring
    private let logger: Logger
    private let state = Mutex(State())
    private let bell: AsyncStream<Void>
    private let ring: AsyncStream<Void>.Continuation

    private struct State {
        var waiting: [CapturedText] = []
        var bytes = 0
        var kept: Int64 = 0
        var lost: Int64 = 0
    }

    package init(pool: PostgresPool, keys: TextKeyring, logger: Logger) {
        self.pool = pool
        self.keys = keys
        self.logger = logger
        (bell, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Texts written, and let go.
    package var statistics: (kept: Int64, lost: Int64) { state.withLock { ($0.kept, $0.lost) } }

    package func keep(_ text: CapturedText) {
        let size = min(text.prompt.count, Self.maxTextBytes) + min(text.answer.count, Self.maxTextBytes)
        state.withLock { state in
            guard state.bytes + size <= Self.maxWaitingBytes else {
                state.lost += 1
                return
            }
            state.bytes += size
            state.waiting.append(text)
        }
        ring.yield()
    }

    /// Writes what comes, until the task is cancelled.
    package func run() async {
        for await _ in bell { await drain() }
    }

    /// Writes what waits.
    package func drain() async {
        while let text = next() {
            do {
                try await write(text)
                state.withLock { $0.kept += 1 }
            } catch {
                state.withLock { $0.lost += 1 }
                logger.warning("a text is not kept", metadata: ["call": "\(text.call)", "reason": "\(error)"])
            }
        }
    }

    private func next() -> CapturedText? {
        state.withLock { state in
            guard !state.waiting.isEmpty else { return nil }
            let text = state.waiting.removeFirst()
            state.bytes -= min(text.prompt.count, Self.maxTextBytes) + min(text.answer.count, Self.maxTextBytes)
            return text
        }
    }

    /// Only where the tenant still wants it: the gateway's own picture may be a second old.
    private func write(_ text: CapturedText) async throws {
        let call = text.call
        let prompt = try keys.seal(
            Array(text.prompt.prefix(Self.maxTextBytes)), .prompt, of: call, tenant: text.tenantID)
        let answer = try keys.seal(
            Array(text.answer.prefix(Self.maxTextBytes)), .answer, of: call, tenant: text.tenantID)
        let isCut = max(text.prompt.count, text.answer.count) > Self.maxTextBytes
        _ = try await pool.query(
            """
            insert into escalation_texts (tenant_id, request_id, step, attempt, expires_at, key_id, prompt, answer,
              is_cut)
            select t.id, \(call.request), \(call.step), \(call.attempt), now() + t.capture_days * interval '1 day',
              \(keys.id), \(prompt), \(answer), \(isCut)
            from tenants t where t.id = \(text.tenantID) and t.capture_days is not null
            on conflict do nothing
            """)
    }
}
