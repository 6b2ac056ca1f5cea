internal import ArgumentParser
internal import GatewayServer
internal import Ledger

/// `gboost tenant`.
struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Tenants: who has keys, budgets and models of their own.",
        subcommands: [
            Create.self, List.self, Show.self, Suspend.self, Resume.self, Capture.self, Cache.self,
            Delete.self,
        ])

    static func table(_ tenants: [TenantInfo]) -> String {
        var table = TextTable([
            .init("ID", .right), .init("NAME"), .init("TIME ZONE"), .init("CREATED"), .init("STATE"),
            .init("TEXTS"), .init("CACHE"),
        ])
        table.rows = tenants.map { tenant in
            let deleted = tenant.deletedAt.map { "deleted \(CommandOutput.time($0))" }
            let suspended = tenant.suspendedAt.map { "suspended \(CommandOutput.time($0))" }
            return [
                String(tenant.id), tenant.name, tenant.timeZone, CommandOutput.time(tenant.createdAt),
                deleted ?? suspended ?? "active",
                tenant.captureDays.map { "kept \($0) days" } ?? "",
                tenant.cacheSeconds.map { "\($0) s" } ?? "",
            ]
        }
        return table.render()
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a tenant.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its name: letters, digits, dot, dash, underscore.") var name: String
        @Option(help: "IANA time zone in which its budget periods are cut.") var timeZone = "UTC"

        mutating func run() async throws {
            let (name, zone) = (name, try ArgumentParsing.timeZone(timeZone, option: "--time-zone"))
            let tenant = try await options.administer { try await $0.createTenant(name: name, timeZone: zone) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List all tenants.")
        @OptionGroup var options: AdminOptions
        @Flag(help: "Those that were deleted instead: statements and reports name one by its id, as in --tenant '#7'.")
        var deleted = false

        mutating func run() async throws {
            let deleted = deleted
            let tenants = try await options.administer { try await $0.tenants(deleted: deleted) }
            try options.show(NamedList("tenants", tenants), text: TenantCommand.table(tenants))
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a tenant.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String

        mutating func run() async throws {
            let name = name
            let tenant = try await options.administer { try await $0.tenant(named: name) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn a tenant's keys away; its data stays.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String

        mutating func run() async throws {
            let name = name
            let tenant = try await options.administer { try await $0.setTenantSuspended(true, tenant: name) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a tenant's suspension.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String

        mutating func run() async throws {
            let name = name
            let tenant = try await options.administer { try await $0.setTenantSuspended(false, tenant: name) }
            try options.show(tenant, text: TenantCommand.table([tenant]))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a tenant: its keys stop working; ledger and audit stay.",
            discussion: """
                Its name is free again. Statements and reports know it by its id from then on, which is printed and \
                which gboost tenant list --deleted has: --tenant '#7'. So its last months can be closed.
                """)
        @OptionGroup var options: AdminOptions
        @Argument(help: "The tenant.") var name: String

        struct Deleted: Encodable {
            var deleted: String
            var id: Int64
        }

        mutating func run() async throws {
            let name = name
            let tenant = try await options.administer { try await $0.deleteTenant(name) }
            try options.show(
                Deleted(deleted: name, id: tenant.id),
                text: "deleted \(name); statements and reports have it as --tenant '#\(tenant.id)'\n")
        }
    }
}

/// `gboost team`.
struct TeamCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "team", abstract: "Teams of a tenant: keys and budgets may belong to one.",
        subcommands: [Create.self, List.self, Suspend.self, Resume.self])

    static func table(_ teams: [TeamInfo]) -> String {
        var table = TextTable([.init("ID", .right), .init("NAME"), .init("CREATED"), .init("STATE")])
        table.rows = teams.map { team in
            [
                String(team.id), team.name, CommandOutput.time(team.createdAt),
                team.suspendedAt.map { "suspended \(CommandOutput.time($0))" } ?? "active",
            ]
        }
        return table.render()
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a team.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its name.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let team = try await options.administer { try await $0.createTeam(name: name, tenant: tenant) }
            try options.show(team, text: TeamCommand.table([team]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a tenant's teams.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let teams = try await options.administer { try await $0.teams(tenant: tenant) }
            try options.show(NamedList("teams", teams), text: TeamCommand.table(teams))
        }
    }

    struct Suspend: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Turn the keys of a team away; its data stays.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The team.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let team = try await options.administer {
                try await $0.setTeamSuspended(true, team: name, tenant: tenant)
            }
            try options.show(team, text: TeamCommand.table([team]))
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a team's suspension.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The team.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            let team = try await options.administer {
                try await $0.setTeamSuspended(false, team: name, tenant: tenant)
            }
            try options.show(team, text: TeamCommand.table([team]))
        }
    }
}
