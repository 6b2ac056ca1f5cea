internal import FoundationEssentials
internal import GatewayCore
internal import HTTPTypes
internal import Synchronization

/// Answers that this gateway has had from paid models, for tenants that want them kept: in memory only.
package final class CachedAnswers: Sendable {
    /// What a client got, cut where the answer's own facts stood: those are each request's.
    struct Answer: Sendable {
        var before: [UInt8]
        var after: [UInt8]
        var finishReason: String
        var promptTokens: Int64
        var completionTokens: Int64
    }
    /// Longer answers are not kept.
    package static let maxAnswerBytes = 1 << 20
    private let cache: Mutex<ResponseCache<Answer>>
    private let start = ContinuousClock.now

    package init(totalBytes: Int, tenantBytes: Int) {
        cache = Mutex(
            ResponseCache(
                .init(totalBytes: totalBytes, tenantBytes: tenantBytes, answerBytes: Self.maxAnswerBytes)))
    }

    /// How many are kept, and how many bytes they take.
    package var size: (answers: Int, bytes: Int) { cache.withLock { ($0.count, $0.bytes) } }

    private var now: Double { (ContinuousClock.now - start) / .seconds(1) }

    func find(_ key: ResponseCache<Answer>.Key) -> (answer: Answer, age: Double)? {
        cache.withLock { $0.find(key, now: now) }
    }

    func keep(_ answer: Answer, for key: ResponseCache<Answer>.Key, seconds: Int) {
        let size = answer.before.count + answer.after.count
        cache.withLock { $0.keep(answer, bytes: size, for: key, seconds: Double(seconds), now: now) }
    }
}

/// One request's dealings with the cache.
struct AnswerCaching: Sendable {
    private let answers: CachedAnswers
    private let key: ResponseCache<CachedAnswers.Answer>.Key
    private let seconds: Int
    private let mayRead: Bool

    /// Nil where the tenant wants none of it, or this request does not.
    init?(_ job: AnswerJob, model: ModelReference) {
        guard let answers = job.services.cache, let seconds = job.caller.tenant.cacheSeconds,
            job.options.cacheControl != .noStore
        else { return nil }
        self.answers = answers
        self.seconds = seconds
        mayRead = job.options.cacheControl != .noCache
        // Everything that an answer depends on: the body with all its wishes, where it goes, and in which format.
        var text = Array("\(job.request.endpoint.rawValue)\n\(model)\n".utf8)
        for header in job.passedHeaders { text += Array("\(header.name): \(header.value)\n".utf8) }
        let digest = job.contentHash(text + [0x0A] + job.request.body)
        key = ResponseCache.Key(tenantID: job.caller.tenant.id, digest: digest)
    }

    func find() -> (answer: CachedAnswers.Answer, age: Double)? { mayRead ? answers.find(key) : nil }

    /// Keeps what a client got.
    /// - Parameter bytes: a whole body or all of a stream, with the facts of `summary` in it.
    func keep(_ bytes: [UInt8], _ summary: AnswerReport) {
        guard bytes.count <= CachedAnswers.maxAnswerBytes else { return }
        let facts = summary.json
        let place = Self.last(facts, in: bytes) ?? bytes.count..<bytes.count
        answers.keep(
            CachedAnswers.Answer(
                before: Array(bytes[..<place.lowerBound]), after: Array(bytes[place.upperBound...]),
                finishReason: summary.finishReason, promptTokens: summary.promptTokens,
                completionTokens: summary.completionTokens),
            for: key, seconds: seconds)
    }

    /// Where `part` stands last in `whole`.
    private static func last(_ part: [UInt8], in whole: [UInt8]) -> Range<Int>? {
        guard !part.isEmpty, whole.count >= part.count else { return nil }
        for start in stride(from: whole.count - part.count, through: 0, by: -1)
        where whole[start] == part[0] && whole[start..<start + part.count].elementsEqual(part) {
            return start..<start + part.count
        }
        return nil
    }
}

extension AnswerJob {
    /// Answers from the cache; false where there is nothing.
    func answer(from caching: AnswerCaching?, route: String?) async -> Bool {
        guard let caching else { return false }
        let labels = [caller.tenant.name]
        guard let (answer, age) = caching.find() else {
            services.metrics.registry.add("gboost_cache_misses_total", 1, labels)
            return false
        }
        services.metrics.registry.add("gboost_cache_hits_total", 1, labels)
        var summary = AnswerReport(requestID: requestIDText, servedBy: .cache)
        summary.cache = .hit
        summary.finishReason = answer.finishReason
        (summary.promptTokens, summary.completionTokens) = (answer.promptTokens, answer.completionTokens)
        summary.overheadMilliseconds = overhead(waiting: .zero)
        var headers = request.isStream ? Self.streamHeaders : [.contentType: "application/json"]
        for field in summary.headers { headers[field.name] = field.value }
        headers[.age] = String(Int(age))
        let facts = answer.before.isEmpty || answer.after.isEmpty ? [] : summary.json
        let bytes = answer.before + facts + answer.after
        stream.begin(AnswerHead(headers: headers, contentLength: request.isStream ? nil : bytes.count))
        _ = await stream.write(bytes)
        stream.finish()
        await record(summary, route: route, status: 200)
        return true
    }
}
