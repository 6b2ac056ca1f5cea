import GatewayTesting
import Testing

@testable import GatewayCore

@Suite("Answers kept for the same question")
struct ResponseCacheTests {
    typealias Cache = ResponseCache<String>
    private static let limits = Cache.Limits(totalBytes: 3000, tenantBytes: 1500, answerBytes: 800)

    private func key(_ tenant: Int64, _ digest: String) -> Cache.Key { Cache.Key(tenantID: tenant, digest: digest) }

    @Test("an answer is its tenant's alone, has an age, and is gone at its time")
    func life() {
        var cache = Cache(Self.limits)
        cache.keep("yes", bytes: 3, for: key(1, "q"), seconds: 10, now: 100)
        #expect(cache.find(key(2, "q"), now: 100) == nil && cache.find(key(1, "r"), now: 100) == nil)
        #expect(cache.find(key(1, "q"), now: 104).map { "\($0.answer) \($0.age)" } == "yes 4.0")
        #expect(cache.find(key(1, "q"), now: 110) == nil && cache.count == 0 && cache.bytes == 0)
        cache.keep("no", bytes: 2, for: key(1, "q"), seconds: 10, now: 110)
        cache.keep("large", bytes: 700, for: key(1, "q"), seconds: 10, now: 110)
        #expect(cache.find(key(1, "q"), now: 111) == nil, "the older one would be wrong now")
        cache.keep("no", bytes: 2, for: key(1, "q"), seconds: 10, now: 110)
        cache.forget(tenantID: 1)
        #expect(cache.find(key(1, "q"), now: 111) == nil && cache.bytes == 0)
    }

    @Test("a tenant at its bound loses its own answers, the least used first; at the bound of all the largest does")
    func bounds() {
        var cache = Cache(Self.limits)
        for digest in ["a", "b", "c"] { cache.keep(digest, bytes: 144, for: key(1, digest), seconds: 99, now: 0) }
        _ = cache.find(key(1, "a"), now: 1)
        cache.keep("x", bytes: 144, for: key(2, "x"), seconds: 99, now: 1)
        cache.keep("d", bytes: 144, for: key(1, "d"), seconds: 99, now: 1)
        #expect(cache.find(key(1, "b"), now: 1) == nil)
        for digest in ["a", "c", "d"] { #expect(cache.find(key(1, digest), now: 1) != nil) }
        for tenant in Int64(3)...5 {
            for digest in ["p", "q"] { cache.keep(digest, bytes: 144, for: key(tenant, digest), seconds: 99, now: 1) }
        }
        #expect(cache.bytes <= Self.limits.totalBytes)
        #expect(cache.find(key(2, "x"), now: 1) != nil, "the smallest loses nothing")
    }

    /// What the cache must agree with: a list, the most recently used last.
    private struct Plain {
        struct Item {
            var tenant: Int64
            var digest: String
            var answer: String
            var bytes: Int
            var keptAt: Double
            var expiresAt: Double
        }
        var items: [Item] = []

        func bytes(_ tenant: Int64? = nil) -> Int {
            items.filter { tenant == nil || $0.tenant == tenant }.reduce(0) { $0 + $1.bytes }
        }

        mutating func find(_ tenant: Int64, _ digest: String, _ now: Double) -> String? {
            let place = items.firstIndex { $0.tenant == tenant && $0.digest == digest }
            guard let index = place else { return nil }
            let item = items.remove(at: index)
            guard now < item.expiresAt else { return nil }
            items.append(item)
            return item.answer
        }

        mutating func keep(_ item: Item, _ limits: Cache.Limits) {
            items.removeAll { $0.tenant == item.tenant && $0.digest == item.digest }
            guard item.bytes <= limits.answerBytes else { return }
            while bytes(item.tenant) + item.bytes > limits.tenantBytes { dropFirst(of: item.tenant) }
            while bytes() + item.bytes > limits.totalBytes {
                let tenants = Set(items.map(\.tenant)).sorted()
                guard let most = tenants.max(by: { bytes($0) < bytes($1) }) else { break }
                let first = tenants.first { bytes($0) == bytes(most) }
                dropFirst(of: first ?? most)
            }
            items.append(item)
        }

        private mutating func dropFirst(of tenant: Int64) {
            guard let index = items.firstIndex(where: { $0.tenant == tenant }) else { return }
            items.remove(at: index)
        }
    }

    @Test("random lives agree with a plain list", arguments: 1...40)
    func agrees(seed: Int) {
        var random = SplitMix64(seed: UInt64(seed))
        var (cache, plain, now) = (Cache(Self.limits), Plain(), 0.0)
        for step in 0..<400 {
            let (tenant, digest) = (Int64(random.integer(in: 1...4)), "q\(random.integer(in: 0...9))")
            now += Double(random.integer(in: 0...3))
            if random.unit() < 0.5 {
                let (size, seconds) = (random.integer(in: 0...700), Double(random.integer(in: 1...60)))
                cache.keep("\(step)", bytes: size, for: key(tenant, digest), seconds: seconds, now: now)
                plain.keep(
                    .init(
                        tenant: tenant, digest: digest, answer: "\(step)", bytes: size + Cache.overheadBytes,
                        keptAt: now, expiresAt: now + seconds), Self.limits)
            } else {
                #expect(cache.find(key(tenant, digest), now: now)?.answer == plain.find(tenant, digest, now))
            }
            #expect(cache.bytes == plain.bytes() && cache.count == plain.items.count)
            #expect(cache.bytes <= Self.limits.totalBytes)
        }
    }
}
