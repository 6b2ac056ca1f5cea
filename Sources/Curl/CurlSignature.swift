/// Has libcurl sign the request as Amazon's signature version 4, which S3 and what speaks like it want.
package struct CurlSignature: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    package var region: String
    package var service: String
    package var accessKey: String
    package var secretKey: String

    package init(region: String, service: String, accessKey: String, secretKey: String) {
        self.region = region
        self.service = service
        self.accessKey = accessKey
        self.secretKey = secretKey
    }

    /// As libcurl wants it.
    var scope: String { "aws:amz:\(region):\(service)" }

    /// Shows no key.
    package var description: String { "signature for \(service) in \(region)" }
    /// Shows no key, to `dump` either.
    package var customMirror: Mirror { Mirror(self, children: ["region": region, "service": service]) }
}
