package import Curl
package import GatewayCore
internal import WireFormat

/// Settings of one OpenAI-compatible API.
package struct OpenAIProviderSettings: Sendable {
    /// As the configuration and model references name it.
    package var name: String
    /// Up to and with the version, e.g. "https://host/v1"; a slash at its end does not matter.
    package var baseURL: String
    /// nil: no `Authorization` is sent.
    package var apiKey: Secret?
    /// Of one call; the total bounds an answer that never ends.
    package var timeouts = CurlTimeouts(
        connect: .seconds(10), firstByte: .seconds(120), idle: .seconds(60), total: .seconds(900))
    /// High-water mark of what arrived and was not passed on.
    package var maxBufferedBytes = 64 * 1024
    /// A whole answer, or a whole stream.
    package var maxResponseBytes = 64 * 1024 * 1024
    /// One event of a stream.
    package var maxEventBytes = 4 * 1024 * 1024
    package init(name: String, baseURL: String, apiKey: Secret?) {
        self.name = name
        self.baseURL = baseURL
        self.apiKey = apiKey
    }
}

/// A paid API that speaks OpenAI's chat completions.
package struct OpenAICompatibleProvider: PaidProvider {
    private static let maxErrorBytes = 64 * 1024
    private static let maxIdentifierLength = 128
    /// How long the body of an error status is waited for.
    private static let errorBodyLimit = Duration.seconds(5)
    private static let maxRetryAfterSeconds = 24 * 3600

    private let settings: OpenAIProviderSettings
    private let client: CurlClient
    private let redaction: Redaction

    package init(_ settings: OpenAIProviderSettings, client: CurlClient) {
        self.settings = settings
        self.client = client
        redaction = Redaction(settings.apiKey)
    }

    /// As the configuration names it.
    package var name: String { settings.name }

    /// Sends the call and waits for the response head.
    ///
    /// Throws `ProviderError` alone: `.unreachable` only where it is certain that no byte of the request was sent.
    package func open(_ call: PaidCall) async throws -> any PaidExchange {
        let response: CurlResponse
        do throws(CurlError) {
            response = try await client.open(request(call))
        } catch {
            throw ProviderError(error, redaction)
        }
        let requestID = identifier(response)
        guard (200..<300).contains(response.status) else {
            throw await refusal(response, requestID)
        }
        return OpenAIExchange(
            response, isStream: call.isStream, providerRequestID: requestID, maxEventBytes: settings.maxEventBytes,
            redaction: redaction)
    }

    private func request(_ call: PaidCall) -> CurlRequest {
        var headers = [
            (name: "Content-Type", value: "application/json"),
            (name: "Accept", value: call.isStream ? "text/event-stream" : "application/json"),
            (name: "X-Request-Id", value: call.requestID),
        ]
        if let key = settings.apiKey { headers.append((name: "Authorization", value: "Bearer \(key.revealed)")) }
        let base = settings.baseURL.hasSuffix("/") ? String(settings.baseURL.dropLast()) : settings.baseURL
        return CurlRequest(
            method: .post, url: base + "/chat/completions", headers: headers, body: call.body,
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
        return ProviderError(
            code: .status, status: response.status, providerRequestID: requestID,
            retryAfterSeconds: retryAfter(response),
            message: message.isEmpty ? "status \(response.status) without a message" : message)
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
