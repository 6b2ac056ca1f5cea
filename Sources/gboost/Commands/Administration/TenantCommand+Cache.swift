internal import ArgumentParser
internal import Ledger

extension TenantCommand {
    struct Cache: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Answer a tenant's repeated requests to paid models from memory; or do so no more.",
            discussion: """
                Off by default. Each gateway keeps answers in its own memory, for the very same request of the same \
                tenant. They cost nothing and say so: x-gboost-cache. A client that sends cache-control: no-cache gets \
                a fresh one.
                """)
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String
        @Option(help: "How many seconds each answer is kept.") var seconds: Int?
        @Flag(help: "Keep no more answers.") var off = false

        mutating func run() async throws {
            guard off != (seconds != nil) else { throw CommandFailure.usage("--seconds", "is given, or --off") }
            let (name, seconds) = (name, seconds)
            let tenant = try await options.administer { try await $0.setCache(seconds: seconds, tenant: name) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }
}
