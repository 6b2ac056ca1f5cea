internal import ArgumentParser
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension ModelKind: ExpressibleByArgument {}
extension RewardKind: ExpressibleByArgument {}

/// `gboost model`.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "A tenant's private models.",
        subcommands: [Add.self, List.self, Load.self, Unload.self, Pin.self, Unpin.self, Remove.self])

    static func table(_ models: [ModelRecord]) -> String {
        var table = TextTable([
            .init("NAME"), .init("KIND"), .init("REWARD"), .init("BASE"), .init("PINNED"), .init("SHA-256"),
            .init("FILE"),
        ])
        table.rows = models.map { model in
            [
                model.name, model.kind.rawValue, model.rewardKind?.rawValue ?? "", model.base ?? "",
                model.isPinned ? "yes" : "", "\(model.sha256.prefix(12))…", model.file,
            ]
        }
        return table.render()
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Register a model's file, with the SHA-256 it has now.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its name.") var name: String
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "slm, prm or adapter.") var kind: ModelKind
        @Option(
            help: """
                A GGUF file; for a head its head file. As the gateways see it. Or where another server holds the \
                model: http://host:8000/v1#NAME, with ?key=env:GBOOST_REMOTE_… before the # where it wants a key, \
                and ?reward=pooling (or score) for a PRM behind vLLM's /pooling (or /score).
                """) var file: String
        @Option(help: "The SLM that an adapter belongs to; the SLM or adapter that a head belongs to. No others.")
        var base: String?
        @Option(help: "How a PRM's reward is read: tokens, head or shared-head.") var rewardKind: RewardKind?
        @Flag(help: "Keep it in memory always.") var pin = false

        mutating func run() async throws {
            let draft = ModelDraft(
                tenant: tenant, name: name, kind: kind, file: file, base: base,
                rewardKind: ModelRegistration.rewardKind(rewardKind, of: kind, base: base), isPinned: pin)
            let model = try await options.administer { try await ModelRegistration.add(draft, $0) }
            try options.show(model, text: ModelCommand.table([model]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a tenant's models.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let models = try await options.administer { try await $0.models(tenant: tenant) }
            try options.show(NamedList("models", models), text: ModelCommand.table(models))
        }
    }

    struct Load: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Load a model into every gateway's memory, as far as there is room.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let model = try await options.administer { try await $0.orderModel(name, tenant: tenant, .load) }
            try options.show(model, text: "gateways load \(name)\n")
        }
    }

    struct Unload: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a model out of every gateway's memory until it is asked for again.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let model = try await options.administer { try await $0.orderModel(name, tenant: tenant, .unload) }
            try options.show(model, text: "gateways unload \(name) as soon as it is idle\n")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a model; its file stays.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The model.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            try await options.administer { try await $0.removeModel(name, tenant: tenant) }
            try options.show(RemovedDocument(name), text: "removed \(name)\n")
        }
    }
}
