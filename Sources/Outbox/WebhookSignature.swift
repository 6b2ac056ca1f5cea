internal import Crypto
package import Foundation
internal import GatewayCore

/// How webhooks are signed: HMAC-SHA256 over the time, a dot and the body, so that neither can be changed, and an old
/// call cannot be sent again later.
package enum WebhookSignature {
    /// Seconds since 1970 at which the call was signed: each try is signed anew.
    package static let timeHeader = "x-gboost-timestamp"
    /// "v1=" and 64 hexadecimal digits; one of these for each secret, with commas between.
    package static let header = "x-gboost-signature"
    /// A receiver refuses calls that were signed longer ago than this, or as much ahead.
    package static let window = Duration.seconds(300)

    /// The header's value.
    package static func value(body: [UInt8], at time: Date, secrets: [String]) -> String {
        secrets.map { "v1=" + code(body: body, at: time, secret: $0) }.joined(separator: ",")
    }

    /// Whole seconds, as the header says them.
    package static func time(_ date: Date) -> String { String(Int64(date.timeIntervalSince1970.rounded(.down))) }

    private static func code(body: [UInt8], at date: Date, secret: String) -> String {
        var mac = HMAC<SHA256>(key: SymmetricKey(data: Data(secret.utf8)))
        mac.update(data: Data((time(date) + ".").utf8))
        mac.update(data: Data(body))
        return mac.finalize().hexadecimal
    }
}
