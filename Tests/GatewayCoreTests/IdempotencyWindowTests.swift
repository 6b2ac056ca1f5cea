import GatewayCore
import Testing

@Suite("Idempotency keys")
struct IdempotencyWindowTests {
    private static func key(_ text: String, tenant: Int64 = 1, key: Int64 = 1) -> IdempotencyWindow.Key {
        IdempotencyWindow.Key(tenantID: tenant, keyID: key, text: text)
    }
    private static func answer(_ bytes: Int) -> IdempotencyWindow.Answer {
        IdempotencyWindow.Answer(headers: [], body: Array(repeating: 1, count: bytes))
    }

    @Test("Each state of a key, each event")
    func table() {
        var window = IdempotencyWindow()
        let key = Self.key("k")
        func begin(
            _ fingerprint: String = "f", of key: IdempotencyWindow.Key = Self.key("k")
        ) -> IdempotencyWindow.Verdict {
            window.begin(key, fingerprint: fingerprint, now: .zero)
        }
        #expect(begin() == .fresh)
        #expect(begin() == .running)
        #expect(begin("g") == .mismatch)
        // Nobody meets another's keys.
        #expect(begin(of: Self.key("k", tenant: 2)) == .fresh)
        #expect(begin(of: Self.key("k", key: 2)) == .fresh)
        window.release(key)
        #expect(begin() == .fresh)
        window.finish(key, Self.answer(3), now: .zero)
        #expect(begin() == .answered(Self.answer(3)))
        #expect(begin("g") == .mismatch)
        window.release(key)
        window.finish(key, Self.answer(4), now: .zero)
        #expect(begin() == .answered(Self.answer(3)))
    }

    @Test("It is bounded: by time, by entries, by bytes, and never at the cost of what is being answered")
    func bounds() {
        var limits = IdempotencyWindow.Limits()
        (limits.maxEntries, limits.maxAnswerBytes, limits.maxBytes) = (3, 10, 15)
        var window = IdempotencyWindow(limits)
        for (index, name) in ["running", "a", "b"].enumerated() {
            _ = window.begin(Self.key(name), fingerprint: "f", now: .seconds(index))
        }
        window.finish(Self.key("a"), Self.answer(9), now: .seconds(3))
        window.finish(Self.key("b"), Self.answer(9), now: .seconds(4))
        #expect(window.bytes == 9 && window.count == 2)
        window.finish(Self.key("running"), Self.answer(11), now: .seconds(5))
        #expect(window.bytes == 9)
        let kept = window.begin(Self.key("running"), fingerprint: "f", now: .seconds(5))
        #expect(kept == .answered(IdempotencyWindow.Answer(headers: [], body: nil)))
        for name in ["c", "d", "e"] { _ = window.begin(Self.key(name), fingerprint: "f", now: .seconds(6)) }
        let running = window.begin(Self.key("c"), fingerprint: "f", now: .seconds(6))
        #expect(running == .running && window.bytes == 0)
        window.finish(Self.key("c"), Self.answer(1), now: .seconds(6))
        let expired = window.begin(Self.key("c"), fingerprint: "f", now: .seconds(6) + limits.lifetime)
        #expect(expired == .fresh)
    }
}
