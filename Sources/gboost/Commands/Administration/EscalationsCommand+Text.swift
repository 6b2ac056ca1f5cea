internal import ArgumentParser
internal import GatewayServer
internal import Ledger

extension EscalationsCommand {
    struct Text: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the prompt and the answer of an escalation, where the tenant has them kept.",
            discussion: "Needs the key that they are encrypted with: capture.key or capture.previous_key.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its number.") var seq: Int64
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (seq, tenant) = (seq, tenant)
            guard let keys = try options.configuration.load().textKeyring() else {
                throw CommandFailure("capture.key: is not configured, and without it no text can be read")
            }
            let found = try await options.administer { try await $0.text(ofEscalation: seq, tenant: tenant) }
            guard let found else { throw CommandFailure("seq: no text of escalation \(seq) of \(tenant) is kept") }
            let line = try EscalationTexts(found, seq: seq, keys: keys)
            try options.show(line, text: "\(line.prompt)\n\n\(line.answer)\n")
        }
    }
}
