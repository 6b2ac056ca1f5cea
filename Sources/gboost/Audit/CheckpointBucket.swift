internal import Audit
internal import Crypto
internal import Curl
internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Providers

/// Publishes into a bucket that speaks S3: an object for each checkpoint, whose name never stands for another one, so
/// that the bucket may forbid to overwrite and to delete. Objects in a directory are what `--checkpoint` reads.
struct CheckpointBucket: CheckpointPublisher {
    /// With the bucket, and what the objects' names begin with: "https://s3.eu-central-1.amazonaws.com/audit/gateway".
    let url: String
    let region: String
    let accessKey: Secret
    let secretKey: Secret
    let client: CurlClient

    /// What buckets answer that let nothing be written twice: a checkpoint may come again after a restart.
    private static let refusals: Set<Int> = [403, 409, 412]

    /// "escalations-7-0000000000000012345.checkpoints": by name is by size.
    static func name(_ checkpoint: SignedCheckpoint) -> String {
        let size = String(checkpoint.size)
        let padding = String(repeating: "0", count: max(0, 19 - size.utf8.count))
        return "\(checkpoint.log.kind.rawValue)-\(checkpoint.log.tenant)-\(padding)\(size).checkpoints"
    }

    func publish(_ checkpoint: SignedCheckpoint) async throws {
        let body = Array(checkpoint.note.utf8)
        let url = "\(url)/\(Self.name(checkpoint))"
        let request = CurlRequest(
            method: .put, url: url,
            headers: [
                (name: "content-type", value: "text/plain; charset=utf-8"),
                // S3 wants it where the bucket locks objects; what vouches for the body is the SHA-256.
                (name: "content-md5", value: Data(Insecure.MD5.hash(data: body)).base64EncodedString()),
            ], body: body)
        let status = try await CheckpointCall.answer(to: signed(request), by: client).status
        if CheckpointCall.isDone(status) { return }
        if Self.refusals.contains(status), await isThere(url, body) { return }
        throw CheckpointCall.refusal(status)
    }

    /// Whether the bucket has the same bytes under this address.
    private func isThere(_ url: String, _ body: [UInt8]) async -> Bool {
        let request = signed(CurlRequest(method: .get, url: url))
        guard let known = try? await CheckpointCall.answer(to: request, by: client) else { return false }
        return CheckpointCall.isDone(known.status) && known.body == body
    }

    private func signed(_ request: CurlRequest) -> CurlRequest {
        var request = request
        request.headers.append((name: "x-amz-content-sha256", value: SHA256.hash(data: request.body).hexadecimal))
        request.signature = CurlSignature(
            region: region, service: "s3", accessKey: accessKey.revealed, secretKey: secretKey.revealed)
        return request
    }
}
