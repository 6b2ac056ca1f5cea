internal import ArgumentParser
internal import Ledger

extension ModelCommand {
    struct Pin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Keep a model in every gateway's memory, as far as there is room.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let model = try await options.administer { try await $0.pinModel(name, tenant: tenant, isPinned: true) }
            try options.show(model, text: "gateways keep \(name)\n")
        }
    }

    struct Unpin: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a model make way for others again when nobody uses it.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let model = try await options.administer { try await $0.pinModel(name, tenant: tenant, isPinned: false) }
            try options.show(model, text: "\(name) may make way for others\n")
        }
    }
}
