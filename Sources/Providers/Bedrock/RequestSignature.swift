internal import Crypto
package import Foundation
internal import GatewayCore

/// Amazon's signature, version 4, of a request without a query.
///
/// libcurl has one too, which signs the path as it is sent: right for S3, but all other services sign each segment
/// encoded once more, and the ids of models have colons. So this is made here, from swift-crypto's hashes.
package struct RequestSignature: Sendable {
    package var region: String
    package var service: String
    package var accessKey: Secret
    package var secretKey: Secret
    /// Of credentials that end.
    package var sessionToken: Secret?

    package init(region: String, service: String, accessKey: Secret, secretKey: Secret, sessionToken: Secret? = nil) {
        self.region = region
        self.service = service
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// The headers that sign a POST.
    /// - Parameters:
    ///   - host: as the `Host` header has it.
    ///   - path: as it is sent, percent-encoded once.
    ///   - contentType: of the body, signed with it.
    package func headers(
        host: String, path: String, contentType: String, body: [UInt8], at date: Date
    ) -> [(name: String, value: String)] {
        let time = Self.time(date)
        let digest = SHA256.hash(data: body).hexadecimal
        var signed = [
            ("content-type", contentType), ("host", host), ("x-amz-content-sha256", digest), ("x-amz-date", time),
        ]
        if let token = sessionToken { signed.append(("x-amz-security-token", token.revealed)) }
        let names = signed.map(\.0).joined(separator: ";")
        let canonical =
            "POST\n\(PathText.escaped(path, keeping: "/"))\n\n"
            + signed.map { "\($0.0):\($0.1)\n" }.joined() + "\n\(names)\n\(digest)"
        let day = String(time.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let subject =
            "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(SHA256.hash(data: Array(canonical.utf8)).hexadecimal)"
        var key = SymmetricKey(data: Array("AWS4\(secretKey.revealed)".utf8))
        for part in [day, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        let signature = HMAC<SHA256>.authenticationCode(for: Array(subject.utf8), using: key).hexadecimal
        var headers = [
            (
                name: "Authorization",
                value: "AWS4-HMAC-SHA256 Credential=\(accessKey.revealed)/\(scope), SignedHeaders=\(names), "
                    + "Signature=\(signature)"
            )
        ]
        headers += signed.filter { $0.0.hasPrefix("x-amz-") }.map { (name: $0.0, value: $0.1) }
        return headers
    }

    /// "20261129T003118Z".
    static func time(_ date: Date) -> String {
        date.formatted(
            Date.ISO8601FormatStyle(
                dateSeparator: .omitted, dateTimeSeparator: .standard, timeSeparator: .omitted,
                timeZoneSeparator: .omitted, includingFractionalSeconds: false))
    }

}
