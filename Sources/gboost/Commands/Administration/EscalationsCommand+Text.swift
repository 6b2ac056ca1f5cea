internal import ArgumentParser
internal import Foundation
internal import GatewayCore
internal import Ledger

extension EscalationsCommand {
    struct Text: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the prompt and the answer of an escalation, where the tenant has them kept.",
            discussion: "Needs the key that they are encrypted with: capture.key or capture.previous_key.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its number.") var seq: Int64
        @Option(help: "The tenant.") var tenant: String

        struct Line: Encodable {
            var seq: Int64
            var call: String
            var at: Date
            var expiresAt: Date
            var keyId: String
            var isCut: Bool
            var prompt: String
            var answer: String
        }

        mutating func run() async throws {
            let (seq, tenant) = (seq, tenant)
            guard let keys = try options.configuration.load().textKeyring() else {
                throw CommandFailure("capture.key: is not configured, and without it no text can be read")
            }
            let found = try await options.administer { try await $0.text(ofEscalation: seq, tenant: tenant) }
            guard let found else { throw CommandFailure("seq: no text of escalation \(seq) of \(tenant) is kept") }
            let (prompt, answer) = try found.opened(keys)
            let line = Line(
                seq: seq, call: found.call.description, at: found.at, expiresAt: found.expiresAt, keyId: found.keyID,
                isCut: found.isCut, prompt: String(decoding: prompt, as: UTF8.self),
                answer: String(decoding: answer, as: UTF8.self))
            try options.show(line, text: "\(line.prompt)\n\n\(line.answer)\n")
        }
    }
}
