internal import ArgumentParser
internal import Foundation
internal import Ledger

extension TenantCommand {
    struct Capture: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep the texts of a tenant's paid calls, encrypted, for some days; or keep no more of them.",
            discussion: """
                Off by default. The key is the gateway's, capture.key; read them with gboost escalations text. What is \
                kept already stays until its time is over.
                """)
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String
        @Option(help: "How many days each text is kept.") var days: Int?
        @Flag(help: "Keep no more texts.") var off = false

        mutating func run() async throws {
            guard off != (days != nil) else { throw CommandFailure.usage("--days", "is given, or --off") }
            if !off, try options.configuration.load().capture.key == nil {
                throw CommandFailure("capture.key: is not configured, so no text could be kept")
            }
            let (name, days) = (name, days)
            let tenant = try await options.administer { try await $0.setCapture(days: days, tenant: name) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }
}
