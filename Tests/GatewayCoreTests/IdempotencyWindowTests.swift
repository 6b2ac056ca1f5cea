import GatewayCore
import GatewayTesting
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

    @Test("a tenant that fills the window forgets its own keys, and another's retry is still not paid twice")
    func flooded() {
        var limits = IdempotencyWindow.Limits()
        limits.maxEntries = 10
        var window = IdempotencyWindow(limits)
        func answer(_ key: IdempotencyWindow.Key) {
            _ = window.begin(key, fingerprint: "f", now: .zero)
            window.finish(key, Self.answer(1), now: .zero)
        }
        for name in ["a", "b"] { answer(Self.key(name)) }
        for index in 0..<100 { answer(Self.key("\(index)", tenant: 2)) }
        #expect(window.count == 10 && window.bytes == 10)
        for name in ["a", "b"] {
            let verdict = window.begin(Self.key(name), fingerprint: "f", now: .zero)
            #expect(verdict == .answered(Self.answer(1)))
        }
        // What comes in the place of what: the largest tenant's oldest, also for another tenant's new key.
        answer(Self.key("c"))
        let oldest = window.begin(Self.key("93", tenant: 2), fingerprint: "f", now: .zero)
        #expect(oldest == .answered(Self.answer(1)))
        let gone = window.begin(Self.key("92", tenant: 2), fingerprint: "f", now: .zero)
        #expect(gone == .fresh)
    }

    @Test("a tenant that fills the bytes loses its own answers; of equals the one with the least number does")
    func floodedBytes() {
        var limits = IdempotencyWindow.Limits()
        (limits.maxAnswerBytes, limits.maxBytes) = (10, 50)
        var window = IdempotencyWindow(limits)
        func answer(_ key: IdempotencyWindow.Key) {
            _ = window.begin(key, fingerprint: "f", now: .zero)
            window.finish(key, Self.answer(10), now: .zero)
        }
        answer(Self.key("a", tenant: 9))
        for index in 0..<20 { answer(Self.key("\(index)", tenant: 2)) }
        #expect(window.bytes == 50 && window.count == 5)
        let kept = window.begin(Self.key("a", tenant: 9), fingerprint: "f", now: .zero)
        #expect(kept == .answered(Self.answer(10)))
        for tenant in Int64(3)...5 { answer(Self.key("x", tenant: tenant)) }
        // Five tenants with one answer each, and one more.
        answer(Self.key("x", tenant: 7))
        let least = window.begin(Self.key("19", tenant: 2), fingerprint: "f", now: .zero)
        #expect(least == .fresh)
        let other = window.begin(Self.key("x", tenant: 3), fingerprint: "f", now: .zero)
        #expect(other == .answered(Self.answer(10)))
    }

    @Test("answers of a tenant that does not come again leave the memory when another one comes")
    func idle() {
        var window = IdempotencyWindow()
        let key = Self.key("a")
        _ = window.begin(key, fingerprint: "f", now: .zero)
        window.finish(key, Self.answer(5), now: .zero)
        let other = Self.key("b", tenant: 2)
        _ = window.begin(other, fingerprint: "f", now: .seconds(600))
        window.release(other)
        #expect(window.count == 0 && window.bytes == 0)
    }

    @Test(
        "in random lives whoever has less than a fair share loses nothing, and the counts stay true", arguments: 1...20)
    func fairShare(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var limits = IdempotencyWindow.Limits()
        (limits.maxEntries, limits.maxAnswerBytes, limits.maxBytes) = (40, 10, 120)
        var window = IdempotencyWindow(limits)
        // Three tenants' share is 13 of 40 entries and 40 of 120 bytes; the first one stays below both.
        var own: [IdempotencyWindow.Key] = []
        for step in 0..<600 {
            let isOwn = own.count < 12 && random.unit() < 0.05
            let tenant: Int64 = isOwn ? 1 : Int64(random.integer(in: 2...3))
            let key = Self.key("\(step)", tenant: tenant)
            let begun = window.begin(key, fingerprint: "f", now: .zero)
            #expect(begun == .fresh)
            if !isOwn, random.unit() < 0.2 {
                window.release(key)
            } else {
                window.finish(key, Self.answer(random.integer(in: 0...(isOwn ? 3 : 10))), now: .zero)
                if isOwn { own.append(key) }
            }
            #expect(window.count <= 40 && window.bytes <= 120)
        }
        for key in own {
            let verdict = window.begin(key, fingerprint: "g", now: .zero)
            #expect(verdict == .mismatch, "it is still known")
        }
        // All that was answered expires together, and nothing is counted that is not there.
        let last = Self.key("last")
        _ = window.begin(last, fingerprint: "f", now: limits.lifetime)
        window.release(last)
        #expect(window.count == 0 && window.bytes == 0)
    }
}
