internal import ArgumentParser
internal import Foundation
internal import GatewayServer
internal import Ledger

/// `gboost key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "API keys of a tenant.",
        subcommands: [Create.self, List.self, Rotate.self, Suspend.self, Resume.self, Revoke.self])

    static func table(_ keys: [KeyInfo], now: Date = Date()) -> String {
        var table = TextTable([
            .init("ID", .right), .init("NAME"), .init("TEAM"), .init("KEY"), .init("CREATED"), .init("ROTATED"),
            .init("STATE"), .init("MODELS"),
        ])
        table.rows = keys.map { key in
            [
                String(key.id), key.name, key.team ?? "", "\(key.prefix)…", CommandOutput.time(key.createdAt),
                CommandOutput.time(key.rotatedAt), state(key, now: now), models(key),
            ]
        }
        return table.render()
    }

    private static func state(_ key: KeyInfo, now: Date) -> String {
        if let date = key.revokedAt { return "revoked \(CommandOutput.time(date))" }
        if let date = key.suspendedAt { return "suspended \(CommandOutput.time(date))" }
        guard let date = key.expiresAt else { return "active" }
        return "\(date <= now ? "expired" : "expires") \(CommandOutput.time(date))"
    }

    /// What it may use; nothing where it has no list.
    private static func models(_ key: KeyInfo) -> String {
        guard let models = key.models else { return "" }
        return models.isEmpty ? "none" : models.joined(separator: ",")
    }

    /// The key alone on the first line, so that `head -1` gives it.
    private static func text(_ key: NewKey) -> String {
        "\(key.secret)\n\nThis is key \(key.info.id). It is shown this once; only a hash of it is kept.\n"
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key and print it, once.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "A team of the tenant.") var team: String?
        @Option(help: "What it is for.") var name = ""
        @Option(help: "From when on it is refused: a day (UTC) or an instant in ISO 8601.") var expires: String?
        @Option(help: "Routes and models it may use, as names or patterns with commas between: math,openai/gpt-4*")
        var models: String?
        @Flag(help: "It may use no route and no model, until a list says otherwise.") var noModels = false

        /// An empty list would be every model to some and none to others; most often it is a variable that is not set.
        private func list() throws(CommandFailure) -> [String]? {
            guard let models else { return noModels ? [] : nil }
            guard !noModels else { throw .usage("--models", "and --no-models exclude each other") }
            let names = models.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard !names.isEmpty, !names.contains("") else {
                throw .usage("--models", "names none; without the option a key may use all, with --no-models none")
            }
            return names
        }

        mutating func run() async throws {
            var draft = KeyDraft(tenant: tenant, team: team, name: name)
            draft.models = try list()
            if let expires { draft.expiresAt = try ArgumentParsing.instant(expires, option: "--expires") }
            let wanted = draft
            let key = try await options.administer(needsPepper: true) { try await $0.createKey(wanted) }
            try options.show(NewKeyDocument(key), text: KeyCommand.text(key))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a tenant's keys, without their secrets.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let keys = try await options.administer { try await $0.keys(tenant: tenant) }
            try options.show(NamedList("keys", keys), text: KeyCommand.table(keys))
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a key a new secret; the old one stops at once, budget and history stay.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key's number, from 'gboost key list'.") var id: Int64

        mutating func run() async throws {
            let id = id
            let key = try await options.administer(needsPepper: true) { try await $0.rotateKey(id) }
            try options.show(NewKeyDocument(key), text: KeyCommand.text(key))
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn a key away until it is resumed.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key's number, from 'gboost key list'.") var id: Int64

        mutating func run() async throws {
            let id = id
            let key = try await options.administer { try await $0.setKeySuspended(true, key: id) }
            try options.show(key, text: KeyCommand.table([key]))
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a key's suspension.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key's number, from 'gboost key list'.") var id: Int64

        mutating func run() async throws {
            let id = id
            let key = try await options.administer { try await $0.setKeySuspended(false, key: id) }
            try options.show(key, text: KeyCommand.table([key]))
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn a key away from now on.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The key's number, from 'gboost key list'.") var id: Int64

        mutating func run() async throws {
            let id = id
            let key = try await options.administer { try await $0.revokeKey(id) }
            try options.show(key, text: KeyCommand.table([key]))
        }
    }
}
