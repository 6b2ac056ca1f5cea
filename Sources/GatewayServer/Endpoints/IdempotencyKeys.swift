internal import Crypto
internal import FoundationEssentials
package import GatewayCore
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Synchronization

/// Keeps a request that comes twice with the same `idempotency-key` from being paid twice. The decisions are
/// `IdempotencyWindow`'s; this has the clock and the lock.
///
/// Of one gateway: behind several, a client's requests must come to the same one.
package final class IdempotencyKeys: Sendable {
    /// Longer keys are refused.
    static let maxKeyBytes = 255
    private let start = ContinuousClock.now
    private let window: Mutex<IdempotencyWindow>

    package init(_ limits: IdempotencyWindow.Limits = IdempotencyWindow.Limits()) {
        window = Mutex(IdempotencyWindow(limits))
    }

    private var now: Duration { ContinuousClock.now - start }

    /// The request's key and fingerprint; nil: it has none.
    static func key(
        of request: Request, body: [UInt8], caller: Caller
    ) throws(GatewayRefusal) -> (key: IdempotencyWindow.Key, fingerprint: String)? {
        guard let text = request.headers[.idempotencyKey] else { return nil }
        guard !text.isEmpty, text.utf8.count <= maxKeyBytes else {
            throw .invalidRequest(
                "idempotency-key must have 1 to \(maxKeyBytes) bytes.",
                parameter: HTTPField.Name.idempotencyKey.rawName)
        }
        var hash = SHA256()
        hash.update(data: Array(request.uri.path.utf8))
        hash.update(data: [0])
        hash.update(data: body)
        let fingerprint = hash.finalize().hexadecimal
        let key = IdempotencyWindow.Key(tenantID: caller.tenant.id, keyID: caller.keyID, text: text)
        return (key, fingerprint)
    }

    /// What was answered before, or nil: the request is to be answered now. Throws where it is neither.
    func begin(_ key: IdempotencyWindow.Key, fingerprint: String) throws(GatewayRefusal) -> Response? {
        let now = now
        switch window.withLock({ $0.begin(key, fingerprint: fingerprint, now: now) }) {
        case .fresh: return nil
        case .running: throw .idempotency("A request with this idempotency-key is being answered.", retryAfter: 1)
        case .mismatch: throw .idempotency("Another request had this idempotency-key.", retryAfter: nil)
        case .answered(let answer):
            guard let body = answer.body else {
                throw .idempotency(
                    "This request was answered or charged for, and its answer is not kept.", retryAfter: nil)
            }
            var fields = HTTPFields()
            for header in answer.headers {
                HTTPField.Name(header.name).map { fields.append(HTTPField(name: $0, value: header.value)) }
            }
            fields[.idempotentReplayed] = "true"
            return Response(status: .ok, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        }
    }

    /// The request came to an end without an answer. One that may have been charged for keeps its key.
    func failed(_ key: IdempotencyWindow.Key, _ refusal: GatewayRefusal) {
        let now = now
        window.withLock {
            if refusal.mayHaveCharged {
                $0.finish(key, IdempotencyWindow.Answer(headers: [], body: nil), now: now)
            } else {
                $0.release(key)
            }
        }
    }

    /// - Parameter body: nil for a stream.
    func answered(_ key: IdempotencyWindow.Key, headers: HTTPFields, body: [UInt8]?) {
        let now = now
        let kept = headers.map { IdempotencyWindow.Header(name: $0.name.rawName, value: $0.value) }
        window.withLock { $0.finish(key, IdempotencyWindow.Answer(headers: kept, body: body), now: now) }
    }
}

extension GatewayRefusal {
    /// A request whose idempotency key stands for something else, or for what cannot be given again.
    static func idempotency(_ message: String, retryAfter: Int?) -> GatewayRefusal {
        var refusal = GatewayRefusal(
            status: 409, type: "idempotency_error", code: "idempotency_conflict", message: message,
            parameter: HTTPField.Name.idempotencyKey.rawName)
        refusal.retryAfterSeconds = retryAfter
        refusal.shouldRetry = retryAfter != nil
        return refusal
    }
}
