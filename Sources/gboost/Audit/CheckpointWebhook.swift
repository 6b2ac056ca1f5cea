internal import Audit
internal import Curl
internal import Foundation
internal import Ledger
internal import Outbox
internal import Providers

/// Publishes to a URL: a POST of each checkpoint, signed as the gateway's other webhooks are, so that the receiver
/// knows whose it is. The checkpoint itself is signed anyway; a receiver may get the same one twice.
struct CheckpointWebhook: CheckpointPublisher {
    let url: String
    /// Shared with the receiver.
    let secret: Secret
    let client: CurlClient
    var now: @Sendable () -> Date = { Date() }

    /// With the root, which is the note's third line: after a restore of the database another one has the same size.
    private static func id(of checkpoint: SignedCheckpoint) -> String {
        let lines = checkpoint.note.split(separator: "\n", omittingEmptySubsequences: false)
        return "\(checkpoint.log)/\(checkpoint.size)\(lines.count > 2 ? "/\(lines[2])" : "")"
    }

    func publish(_ checkpoint: SignedCheckpoint) async throws {
        struct Document: Encodable {
            var kind = "audit.checkpoint"
            var log: String
            var size: Int64
            var note: String
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let document = Document(log: checkpoint.log.description, size: checkpoint.size, note: checkpoint.note)
        let body = Array(try encoder.encode(document))
        let time = now()
        let headers = [
            (name: "content-type", value: "application/json"),
            (name: "x-gboost-event-id", value: Self.id(of: checkpoint)),
            (name: WebhookSignature.timeHeader, value: WebhookSignature.time(time)),
            (
                name: WebhookSignature.header,
                value: WebhookSignature.value(body: body, at: time, secrets: [secret.revealed])
            ),
        ]
        try await CheckpointCall.send(CurlRequest(url: url, headers: headers, body: body), by: client)
    }
}

/// What both ways over HTTP have in common.
enum CheckpointCall {
    /// No answer that is read is longer.
    private static let maxAnswerBytes = 64 * 1024

    /// Done only by an answer of 200 to 299.
    static func send(_ request: CurlRequest, by client: CurlClient) async throws {
        let status = try await answer(to: request, by: client).status
        guard isDone(status) else { throw refusal(status) }
    }

    static func isDone(_ status: Int) -> Bool { (200..<300).contains(status) }

    static func refusal(_ status: Int) -> LedgerError {
        LedgerError(.invalid, field: "audit", "the answer is \(status)")
    }

    /// An answer's status, and the body of one that is done.
    static func answer(
        to request: CurlRequest, by client: CurlClient
    ) async throws -> (status: Int, body: [UInt8]) {
        var request = request
        request.timeouts = CurlTimeouts(firstByte: .seconds(20), idle: .seconds(10), total: .seconds(30))
        request.maxResponseBytes = maxAnswerBytes
        let response = try await client.open(request)
        defer { response.cancel() }
        guard isDone(response.status) else { return (response.status, []) }
        // Read to its end, so that the connection can be used again.
        var body: [UInt8] = []
        while let part = try await response.next() { body += part }
        return (response.status, body)
    }
}
