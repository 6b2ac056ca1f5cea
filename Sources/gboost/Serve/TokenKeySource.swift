internal import Curl
internal import GatewayServer

extension TokenKeySource {
    /// A JWKS document is small, and somebody waits for it with a request.
    private static let timeouts = CurlTimeouts(
        connect: .seconds(5), firstByte: .seconds(10), idle: .seconds(10), total: .seconds(10))

    /// From a URL, as it is configured: who answers that the keys are elsewhere has given none.
    static func url(_ url: String, client: CurlClient) -> TokenKeySource {
        .address {
            var request = CurlRequest(
                method: .get, url: url, headers: [(name: "accept", value: "application/json")], timeouts: Self.timeouts)
            request.maxResponseBytes = TokenKeySet.maxBytes
            let response = try await client.open(request)
            defer { response.cancel() }
            guard response.status == 200 else { throw TokenKeyFailure("the answer is \(response.status)") }
            var document: [UInt8] = []
            while let part = try await response.next() { document += part }
            return document
        }
    }
}
