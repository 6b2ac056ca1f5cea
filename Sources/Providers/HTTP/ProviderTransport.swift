internal import Curl
internal import GatewayCore
internal import WireFormat

/// Sends calls of one paid API over HTTP and waits for the response's head.
struct ProviderTransport: Sendable {
    private static let maxErrorBytes = 64 * 1024
    private static let maxIdentifierLength = 128
    /// How long the body of an error status is waited for.
    private static let errorBodyLimit = Duration.seconds(5)
    private static let maxRetryAfterSeconds = 24 * 3600

    let settings: ProviderSettings
    let redaction: Redaction
    private let client: CurlClient

    init(_ settings: ProviderSettings, client: CurlClient) {
        self.settings = settings
        self.client = client
        redaction = Redaction(settings.apiKey)
    }

    /// A response with a status of success, and the provider's id of the call.
    ///
    /// Throws `.unreachable` only where it is certain that no byte of the request was sent.
    /// - Parameters:
    ///   - path: behind the base URL.
    ///   - headers: beside those that every call has.
    func open(
        _ call: PaidCall, path: String, headers: [(name: String, value: String)] = []
    ) async throws(ProviderError) -> (response: CurlResponse, requestID: String?) {
        let response: CurlResponse
        do throws(CurlError) {
            response = try await client.open(request(call, path: path, headers: headers))
        } catch {
            throw ProviderError(error, redaction)
        }
        let requestID = identifier(response)
        guard (200..<300).contains(response.status) else {
            throw await refusal(response, requestID)
        }
        return (response, requestID)
    }

    private func request(_ call: PaidCall, path: String, headers: [(name: String, value: String)]) -> CurlRequest {
        var all = [
            (name: "Content-Type", value: "application/json"),
            (name: "Accept", value: call.isStream ? "text/event-stream" : "application/json"),
            (name: "X-Request-Id", value: call.requestID),
        ]
        if let key = settings.apiKey {
            switch settings.keyHeader {
            case .bearer: all.append((name: "Authorization", value: "Bearer \(key.revealed)"))
            case .named(let name): all.append((name: name, value: key.revealed))
            }
        }
        let base = settings.baseURL.hasSuffix("/") ? String(settings.baseURL.dropLast()) : settings.baseURL
        return CurlRequest(
            method: .post, url: base + path + settings.query, headers: all + headers, body: call.body,
            timeouts: settings.timeouts, maxBufferedBytes: settings.maxBufferedBytes,
            maxResponseBytes: settings.maxResponseBytes)
    }

    private func identifier(_ response: CurlResponse) -> String? {
        let value = response.header("x-request-id") ?? response.header("request-id")
        return value.map { String(redaction.clean($0).prefix(Self.maxIdentifierLength)) }
    }

    private func refusal(_ response: CurlResponse, _ requestID: String?) async -> ProviderError {
        let body = await errorBody(response)
        let text = ProviderFault(body: body)?.message ?? String(decoding: body, as: UTF8.self)
        let message = redaction.clean(text)
        var error = ProviderError(
            code: .status, status: response.status, providerRequestID: requestID,
            retryAfterSeconds: retryAfter(response),
            message: message.isEmpty ? "status \(response.status) without a message" : message)
        error.isForeign = !message.isEmpty
        return error
    }

    /// What comes of the body within bounds; the status counts even if nothing does.
    private func errorBody(_ response: CurlResponse) async -> [UInt8] {
        await response.cancelled(after: Self.errorBodyLimit) {
            var body: [UInt8] = []
            while body.count < Self.maxErrorBytes, let more = try? await response.next() { body += more }
            return Array(body.prefix(Self.maxErrorBytes))
        }
    }

    /// Whole seconds; a date is not read, since there is no clock here to compare it with.
    private func retryAfter(_ response: CurlResponse) -> Int? {
        if let text = response.header("retry-after-ms"), let milliseconds = Int(text), milliseconds >= 0 {
            return min(milliseconds / 1000 + (milliseconds % 1000 > 0 ? 1 : 0), Self.maxRetryAfterSeconds)
        }
        guard let text = response.header("retry-after"), let seconds = Int(text), seconds >= 0 else { return nil }
        return min(seconds, Self.maxRetryAfterSeconds)
    }
}

extension ProviderError {
    /// A transport failure, in the terms of money.
    init(_ error: CurlError, _ redaction: Redaction) {
        let what =
            switch error.code {
            case .timeout(let phase): "timed out (\(phase.rawValue))"
            case .cancelled: "cancelled"
            case .busy: "too many calls in flight"
            case .shutDown: "shutting down"
            default: redaction.clean(error.message)
            }
        self.init(code: error.requestWasSent ? .interrupted : .unreachable, message: what)
    }
}

extension CurlResponse {
    /// Does `work`, and cancels the response if that takes longer than `limit`.
    func cancelled<Result>(after limit: Duration, _ work: () async -> Result) async -> Result {
        let watchdog = Task { [self] in
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            cancel()
        }
        defer { watchdog.cancel() }
        return await work()
    }
}
