internal import ArgumentParser
internal import Curl
internal import Foundation
internal import GatewayServer
internal import Ledger
internal import Outbox

/// `gboost destination`.
struct DestinationCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destination", abstract: "Where events go: webhooks, Slack, mail, CloudEvents, Lago.",
        subcommands: [Add.self, Set.self, List.self, Remove.self, Test.self, Pause.self, Resume.self])

    static func table(_ all: [DestinationInfo]) -> String {
        let now = Date()
        var table = TextTable([
            .init("DESTINATION"), .init("TENANT"), .init("KIND"), .init("TARGET"), .init("PENDING", .right),
            .init("DEAD", .right), .init("DELIVERED", .right), .init("LAST"), .init("STATE"),
        ])
        table.rows = all.map { info in
            [
                info.destination.name, info.tenant ?? "(operator)", info.destination.kind.rawValue,
                info.destination.target, String(info.pending + info.usageBehind), String(info.dead),
                String(info.delivered), CommandOutput.time(info.deliveredAt),
                state(info, now),
            ]
        }
        return table.render()
    }

    private static func state(_ info: DestinationInfo, _ now: Date) -> String {
        if info.pausedAt != nil { return "paused: \(info.pausedWhy ?? "")" }
        guard let end = info.leaseUntil, end > now else { return "" }
        return "worked on until \(CommandOutput.time(end))"
    }

    /// Which destination.
    struct NameOptions: ParsableArguments {
        @Argument(help: "Its name.") var name: String
        @Option(help: "Whose it is; without it the operator's, who hears of every tenant.") var tenant: String?
    }

    /// What belongs to one kind.
    struct SettingsOptions: ParsableArguments {
        @Option(help: "Sender of mails.") var from: String?
        @Option(help: "Recipient of mails; may be repeated.") var to: [String] = []
        @Option(help: "Name for the mail server; the secret is its password.") var username: String?
        @Option(help: "Mail: required or none.") var tls: String?
        @Option(help: "Lago: the billable metric's code.") var code: String?
        @Option(help: "CloudEvents: their source.") var source: String?

        /// Whether any is.
        var isGiven: Bool {
            !to.isEmpty || [from, username, tls, code, source].contains { $0 != nil }
        }

        /// Writes those that are given over what is there.
        func write(to fields: inout DestinationFields) {
            if let from { fields.from = from }
            if !to.isEmpty { fields.to = to }
            if let username { fields.username = username }
            if let tls { fields.tls = tls }
            if let code { fields.code = code }
            if let source { fields.source = source }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a destination; it hears of what happens from now on.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions
        @Option(help: "webhook, slack, email, cloudevents or lago.") var kind: String
        @Option(help: "The URL, or env:NAME or file:/path where it stands (Slack: always).") var target: String
        @Option(help: "Where its secret stands, env:NAME or file:/path; a webhook may have a second one, see set.")
        var secret: [String] = []
        @Option(help: "Events, with commas between; without it all notices, for cloudevents and lago usage.")
        var events: String?
        @OptionGroup var settings: SettingsOptions

        mutating func run() async throws {
            var fields = DestinationFields(name: name.name, kind: kind, target: target)
            fields.tenant = name.tenant
            fields.secrets = secret
            fields.events = events.map { $0.split(separator: ",").map(String.init) }
            settings.write(to: &fields)
            let draft = try fields.draft()
            let info = try await options.administer { try await $0.addDestination(draft) }
            try options.show(DestinationDocument(info), text: DestinationCommand.table([info]))
        }
    }

    struct Set: AsyncParsableCommand {
        /// Takes away what may be left out.
        private static let none = "none"

        static let configuration = CommandConfiguration(
            abstract: "Change a destination: what is given, the rest stays.",
            discussion: """
                What waits for it goes to where it points then. To replace a webhook's secret give both, --secret NEW \
                --secret OLD, and once the receiver has the new one --secret NEW alone. The value none takes away \
                what may be left out: --secret, --username, --code, --source.
                """)
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions
        @Option(help: "The URL, or env:NAME or file:/path where it stands (Slack: always).") var target: String?
        @Option(help: "Where its secret stands, env:NAME or file:/path, instead of all it has; twice for two.")
        var secret: [String] = []
        @Option(help: "Events, with commas between, instead of those it hears of.") var events: String?
        @OptionGroup var settings: SettingsOptions

        /// What the destination is to be, by what it is.
        func draft(_ info: DestinationInfo) throws(LedgerError) -> DestinationDraft {
            var fields = DestinationFields(info)
            if let target { fields.target = target }
            if !secret.isEmpty { fields.secrets = secret == [Self.none] ? [] : secret }
            if let events { fields.events = events.split(separator: ",").map(String.init) }
            settings.write(to: &fields)
            if settings.username == Self.none { fields.username = nil }
            if settings.code == Self.none { fields.code = nil }
            if settings.source == Self.none { fields.source = nil }
            return try fields.draft()
        }

        mutating func run() async throws {
            guard target != nil || !secret.isEmpty || events != nil || settings.isGiven else {
                throw CommandFailure.usage("--secret", "is given, or another option: nothing would change")
            }
            let wanted = self
            let info = try await options.administer {
                try await $0.changeDestination(wanted.name.name, tenant: wanted.name.tenant, into: wanted.draft)
            }
            try options.show(DestinationDocument(info), text: DestinationCommand.table([info]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List destinations, and how they fare.")
        @OptionGroup var options: AdminOptions
        @Option(help: "One tenant's; without it everybody's.") var tenant: String?

        mutating func run() async throws {
            let tenant = tenant
            let all = try await options.administer {
                try await $0.destinations(tenant: tenant, everybody: tenant == nil)
            }
            try options.show(
                NamedList("destinations", all.map(DestinationDocument.init)), text: DestinationCommand.table(all))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a destination away, with everything that waits for it, and say how much that was.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions

        mutating func run() async throws {
            let name = name
            let info = try await options.administer {
                try await $0.removeDestination(name.name, tenant: name.tenant)
            }
            let removed = RemovedDestinationDocument(info)
            try options.show(removed, text: removed.text)
        }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send one event of the kind test from here and now, and say what came of it.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions

        mutating func run() async throws {
            let (name, client) = (name, try CurlClient())
            let test = try await options.administer {
                try await DestinationTest.run(
                    name.name, tenant: name.tenant, $0, by: CurlDestinationSender(client: client))
            }
            await client.shutdown()
            guard let event = test.delivered else {
                throw CommandFailure("\(name.name) did not take it: \(test.cause ?? "")")
            }
            try options.show(test, text: "delivered \(event)\n")
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send nothing to a destination for now; its events wait.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions

        mutating func run() async throws {
            let name = name
            let info = try await options.administer {
                try await $0.setDestinationPaused(true, name.name, tenant: name.tenant)
            }
            try options.show(DestinationDocument(info), text: DestinationCommand.table([info]))
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Go on with a paused destination.")
        @OptionGroup var options: AdminOptions
        @OptionGroup var name: NameOptions

        mutating func run() async throws {
            let name = name
            let info = try await options.administer {
                try await $0.setDestinationPaused(false, name.name, tenant: name.tenant)
            }
            try options.show(DestinationDocument(info), text: DestinationCommand.table([info]))
        }
    }
}
