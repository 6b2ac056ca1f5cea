internal import Audit
internal import Crypto
internal import Curl
internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Providers

/// Publishes into a bucket that speaks S3: an object for each checkpoint, whose name never comes again, so that the
/// bucket may forbid to overwrite and to delete. Objects copied into a directory are what `--checkpoint` reads.
struct CheckpointBucket: CheckpointPublisher {
    /// With the bucket, and what the objects' names begin with: "https://s3.eu-central-1.amazonaws.com/audit/gateway".
    let url: String
    let region: String
    let accessKey: Secret
    let secretKey: Secret
    let client: CurlClient

    /// "escalations-7-0000000000000012345.checkpoints": by name is by size.
    static func name(_ checkpoint: SignedCheckpoint) -> String {
        let size = String(checkpoint.size)
        let padding = String(repeating: "0", count: max(0, 19 - size.utf8.count))
        return "\(checkpoint.log.kind.rawValue)-\(checkpoint.log.tenant)-\(padding)\(size).checkpoints"
    }

    func publish(_ checkpoint: SignedCheckpoint) async throws {
        let body = Array(checkpoint.note.utf8)
        let digest = SHA256.hash(data: body).hexadecimal
        var request = CurlRequest(
            method: .put, url: "\(url)/\(Self.name(checkpoint))",
            headers: [
                (name: "content-type", value: "text/plain; charset=utf-8"),
                (name: "x-amz-content-sha256", value: digest),
            ], body: body)
        request.signature = CurlSignature(
            region: region, service: "s3", accessKey: accessKey.revealed, secretKey: secretKey.revealed)
        try await CheckpointCall.send(request, by: client)
    }
}
