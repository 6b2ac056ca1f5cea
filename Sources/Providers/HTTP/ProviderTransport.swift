internal import Curl
internal import GatewayCore
internal import WireFormat

/// Sends calls of one paid API over HTTP and waits for the response's head.
struct ProviderTransport: Sendable {
    private static let maxErrorBytes = 64 * 1024
    private static let maxIdentifierLength = 128
    /// How long the body of an error status is waited for.
    private static let errorBodyLimit = Duration.seconds(5)
    /// A look at the provider may take this long.
    private static let probeLimit = Duration.seconds(10)
    private static let maxRetryAfterSeconds = 24 * 3600

    let settings: ProviderSettings
    let redaction: Redaction
    private let client: CurlClient

    /// - Parameter secrets: beside the key.
    init(_ settings: ProviderSettings, client: CurlClient, secrets: [Secret] = []) {
        self.settings = settings
        self.client = client
        redaction = Redaction([settings.apiKey].compactMap(\.self) + secrets)
    }

    /// A response with a status of success, and the provider's id of the call.
    ///
    /// Throws `.unreachable` only where it is certain that no byte of the request was sent.
    /// - Parameters:
    ///   - path: behind the base URL.
    ///   - headers: beside those that every call has.
    ///   - accept: instead of events for a stream and JSON for a body.
    func open(
        _ call: PaidCall, path: String, headers: [(name: String, value: String)] = [], accept: String? = nil
    ) async throws(ProviderError) -> (response: CurlResponse, requestID: String?) {
        let response: CurlResponse
        do throws(CurlError) {
            var request = request(call, path: path, headers: headers)
            if let accept { request.headers[1].value = accept }
            response = try await client.open(request)
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
        if let key { all.append(key) }
        var timeouts = settings.timeouts
        // The head of an answer in one piece comes when all of it is written: only the total bounds that.
        if !call.isStream, !call.isBrief { timeouts.firstByte = nil }
        return CurlRequest(
            method: .post, url: base + path + settings.query, headers: all + headers, body: call.body,
            timeouts: timeouts, maxBufferedBytes: settings.maxBufferedBytes,
            maxResponseBytes: settings.maxResponseBytes)
    }

    /// Whether anything but a failure of the server's comes back for a GET, which no API charges for: a refusal of the
    /// key is a sign of life too.
    func isReachable(path: String) async -> Bool {
        var headers = [(name: "Accept", value: "application/json")]
        if let key { headers.append(key) }
        var request = CurlRequest(method: .get, url: base + path + settings.query, headers: headers)
        request.timeouts = CurlTimeouts(
            connect: settings.timeouts.connect, firstByte: Self.probeLimit, idle: Self.probeLimit,
            total: Self.probeLimit)
        guard let response = try? await client.open(request) else { return false }
        // What it says is of no interest, and may be long.
        response.cancel()
        return response.status < 500
    }

    private var base: String {
        settings.baseURL.hasSuffix("/") ? String(settings.baseURL.dropLast()) : settings.baseURL
    }

    private var key: (name: String, value: String)? {
        settings.apiKey.map { key in
            switch settings.keyHeader {
            case .bearer: (name: "Authorization", value: "Bearer \(key.revealed)")
            case .named(let name): (name: name, value: key.revealed)
            }
        }
    }

    private func identifier(_ response: CurlResponse) -> String? {
        let names = ["x-request-id", "request-id", "x-amzn-requestid"]
        let value = names.lazy.compactMap { response.header($0) }.first
        return value.map { String(redaction.clean($0).prefix(Self.maxIdentifierLength)) }
    }

    private func refusal(_ response: CurlResponse, _ requestID: String?) async -> ProviderError {
        let body = await errorBody(response)
        let fault = ProviderFault(body: body)
        let text = fault?.message ?? String(decoding: body, as: UTF8.self)
        let message = redaction.clean(text)
        var error = ProviderError(
            code: .status, status: response.status, providerRequestID: requestID,
            retryAfterSeconds: retryAfter(response),
            message: message.isEmpty ? "status \(response.status) without a message" : message)
        error.isForeign = !message.isEmpty
        error.parameter = fault?.param.map(redaction.clean)
        error.reason = fault?.code.map(redaction.clean)
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
