import Curl
import HTTPTypes
import Synchronization

/// What the provider answered.
struct ProviderResponse: Sendable {
    var status: HTTPResponse.Status
    var headers: HTTPFields
    var body: String
}

/// A client of one provider, over loopback.
struct ProviderClient: Sendable {
    private static let client = Result<CurlClient, any Error> { try CurlClient() }
    private static let total = Duration.seconds(60)
    let port: Int

    /// Reads the whole answer; throws where the connection breaks before its end.
    func send(
        _ method: CurlMethod, _ path: String, body: String = "", headers: [String: String] = [:]
    ) async throws -> ProviderResponse {
        let response = try await Self.client.get().open(request(method, path, body, headers))
        var fields = HTTPFields()
        for (name, value) in response.headers {
            HTTPField.Name(name).map { fields.append(.init(name: $0, value: value)) }
        }
        var bytes: [UInt8] = []
        while let more = try await response.next() { bytes += more }
        return ProviderResponse(
            status: .init(code: response.status), headers: fields, body: String(decoding: bytes, as: UTF8.self))
    }

    /// Begins a call whose answer nobody waits for. Cancelling the task closes its connection.
    /// - Parameter parts: after so many pieces of the answer the caller leaves, and the task ends.
    func begin(
        _ path: String, body: String, headers: [String: String] = [:], parts: Int = .max
    ) -> Task<Void, Never> {
        Task {
            guard let response = try? await Self.client.get().open(request(.post, path, body, headers)) else { return }
            defer { response.cancel() }
            var count = 0
            while !Task.isCancelled, count < parts, let part = try? await response.next(), !part.isEmpty { count += 1 }
        }
    }

    private func request(
        _ method: CurlMethod, _ path: String, _ body: String, _ headers: [String: String]
    ) -> CurlRequest {
        CurlRequest(
            method: method, url: "http://127.0.0.1:\(port)\(path)",
            headers: headers.map { (name: $0.key, value: $0.value) }, body: method == .get ? [] : Array(body.utf8),
            timeouts: CurlTimeouts(total: Self.total))
    }
}
