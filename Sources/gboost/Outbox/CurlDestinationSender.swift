internal import Curl
internal import Foundation
internal import Outbox
internal import Providers

/// Sends deliveries by libcurl. Secrets are read from where they stand at each try, so that a replaced one is used at
/// once and none is kept.
struct CurlDestinationSender: DestinationSender {
    /// A client of its own: what a receiver does to its connections is nothing to paid calls.
    let client: CurlClient
    var environment = ProcessInfo.processInfo.environment
    /// How long it waits for an answer, and in all: shorter than the lease of a destination by far.
    static let timeouts = CurlTimeouts(
        connect: .seconds(5), firstByte: .seconds(15), idle: .seconds(10), total: .seconds(20))
    /// Of an answer's body: enough for a dead letter's cause.
    private static let maxAnswerBytes = 16 * 1024
    /// How Lago says that it has an event already, in an answer 422.
    private static let lagoKnows = "value_already_exist"

    func send(_ attempt: DeliveryAttempt, to destination: Destination) async -> DeliveryOutcome {
        do {
            let url = try resolved(destination.target)
            try destination.checkURL(url)
            let secrets = try destination.secrets.map(resolved)
            if destination.kind == .email { return try await mail(attempt, destination, url, secrets.first) }
            return try await post(attempt, destination, url, secrets)
        } catch let error as CurlError {
            return .failed(Self.cause(error), retryAfter: nil)
        } catch {
            // A reference that leads nowhere, or to nothing usable: somebody will mend it.
            return .failed("\(error)", retryAfter: nil)
        }
    }

    /// - Parameter isRest: whether it is what is left of a batch that Lago has in part.
    private func post(
        _ attempt: DeliveryAttempt, _ destination: Destination, _ url: String, _ secrets: [String], isRest: Bool = false
    ) async throws -> DeliveryOutcome {
        let message = destination.message(attempt, secrets: secrets)
        var request = CurlRequest(url: url, headers: message.headers, body: message.body, timeouts: Self.timeouts)
        request.maxResponseBytes = Self.maxAnswerBytes
        let response = try await client.open(request)
        let text = await Self.beginning(of: response)
        if destination.kind == .lago, response.status == 422, attempt.number > 1, text.contains(Self.lagoKnows) {
            // All of it: an answer was lost. Some of it: the batch was cut anew after the database was restored.
            guard !isRest, let rest = Self.rest(of: attempt, after: text) else { return .delivered }
            return try await post(rest, destination, url, secrets, isRest: true)
        }
        return .http(
            status: response.status, retryAfterSeconds: response.header("retry-after").flatMap { Double($0) },
            excerpt: Self.printable(text))
    }

    /// What Lago does not have yet of a batch that it refuses whole; nil: it has all, or does not say.
    private static func rest(of attempt: DeliveryAttempt, after answer: String) -> DeliveryAttempt? {
        struct Refusal: Decodable {
            /// Causes by field, by the event's index in the batch.
            var details: [String: [String: [String]]]
            enum CodingKeys: String, CodingKey { case details = "error_details" }
        }
        guard case .usage(let batch) = attempt.content,
            let refusal = try? JSONDecoder().decode(Refusal.self, from: Data(answer.utf8))
        else { return nil }
        let isKnown = batch.events.indices.map { index in
            refusal.details[String(index)]?["transaction_id"]?.contains(lagoKnows) == true
        }
        let events = zip(batch.events, isKnown).filter { !$0.1 }.map(\.0)
        guard !events.isEmpty, events.count < batch.events.count else { return nil }
        return DeliveryAttempt(.usage(UsageBatch(id: batch.id, events)), number: attempt.number, at: attempt.at)
    }

    private func mail(
        _ attempt: DeliveryAttempt, _ destination: Destination, _ url: String, _ password: String?
    ) async throws -> DeliveryOutcome {
        let text = destination.mail(attempt)
        var mail = CurlMail(
            url: url, from: text.from, to: text.to, text: Array(text.text.utf8), timeouts: Self.timeouts)
        mail.requiresTLS = destination.settings.tls != MailSecurity.none
        if let name = destination.settings.username, let password { mail.login = (name, password) }
        return .smtp(code: try await client.send(mail))
    }

    private func resolved(_ text: String) throws -> String {
        guard Destination.isReference(text) else { return text }
        return try SecretReference(text).resolve(environment: environment).revealed
    }

    /// The status decides; the body is for people, and its end is not waited for.
    private static func beginning(of response: CurlResponse) async -> String {
        var bytes: [UInt8] = []
        while let more = try? await response.next() { bytes += more }
        return String(decoding: bytes.prefix(maxAnswerBytes), as: UTF8.self)
    }

    private static func printable(_ text: String) -> String {
        let harmless = Set(" .,:;_-{}[]\"'/")
        return String(
            text.prefix(200).map { $0.isASCII && ($0.isLetter || $0.isNumber || harmless.contains($0)) ? $0 : " " })
    }

    /// Without libcurl's own words where they might repeat a URL that is a secret.
    private static func cause(_ error: CurlError) -> String {
        let what =
            switch error.code {
            case .unreachable: "no connection"
            case .timeout(let phase): "no \(phase.rawValue) in time"
            case .interrupted: "the connection broke"
            case .tooLarge: "the answer is too large"
            case .invalidRequest: "the URL or a secret cannot be sent"
            case .cancelled, .busy, .shutDown, .configuration: "the gateway could not send"
            }
        return "\(what) (curl \(error.curlCode))"
    }
}
