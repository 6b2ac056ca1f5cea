internal import ArgumentParser
internal import GatewayCore
internal import GatewayServer
internal import Ledger

extension StrategyKind: ExpressibleByArgument {}

/// `gboost route`.
struct RouteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "route", abstract: "Boosted routes: the names that clients put into 'model'.",
        subcommands: [Add.self, List.self, Advise.self, Remove.self])

    static func table(_ routes: [RouteRecord]) -> String {
        var table = TextTable([
            .init("NAME"), .init("STRATEGY"), .init("SLM"), .init("PRM"), .init("LLM"), .init("VALUE USD", .right),
            .init("TARGET"), .init("ESCALATES"),
        ])
        table.rows = routes.map { route in
            [
                route.name, route.settings.strategy.rawValue, route.slm, route.prm ?? "", route.llm.description,
                String(route.settings.valueUSD), target(route.settings),
                route.settings.escalationForbidden ? "never" : "yes",
            ]
        }
        return table.render()
    }

    private static func target(_ settings: RouteSettings) -> String {
        switch settings.target {
        case .budget: "budget"
        case .floor: "quality \(settings.qualityFloor)"
        case .price: "shadow price \(settings.shadowPrice)"
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a route.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "Its name.") var name: String
        @Option(help: "The tenant.") var tenant: String
        @Option(help: "The tenant's SLM that drafts, or an adapter over one; all strategies but direct need one.")
        var slm: String?
        @Option(help: "The tenant's PRM that scores; all strategies but direct need one.") var prm: String?
        @Option(help: "The paid model to escalate to, as PROVIDER/MODEL.") var llm: String
        @Option(help: "direct, cascade, stepwise, best-of-n or tree.") var strategy: StrategyKind?
        @Option(
            help: """
                Where steps end: newline, blank-line or pattern:REGEX, an ICU regular expression as \
                NSRegularExpression has them. One that takes too long to match is refused.
                """)
        var boundary: String?
        @Option(
            name: .customLong("set"),
            help: "A setting, as in --set shadow_price=2. May be repeated; a wrong name lists all.")
        var settings: [String] = []

        /// The settings that all options together ask for.
        func wanted() throws(CommandFailure) -> RouteSettings {
            var wanted = RouteSettings()
            let given = try RouteSettingsParsing.apply(settings, to: &wanted)
            if let strategy {
                guard !given.contains("strategy") || wanted.strategy == strategy else {
                    throw .usage("--strategy", "--set strategy=\(wanted.strategy.rawValue) says something else")
                }
                wanted.strategy = strategy
            }
            if let boundary {
                let own = try ArgumentParsing.boundary(boundary, option: "--boundary")
                guard !given.contains("boundary") || wanted.boundary == own else {
                    throw .usage("--boundary", "--set boundary says something else")
                }
                wanted.boundary = own
            }
            return wanted
        }

        mutating func run() async throws {
            let draft = RouteDraft(
                tenant: tenant, name: name, slm: slm ?? "", prm: prm,
                llm: try ArgumentParsing.modelReference(llm, option: "--llm"), settings: try wanted())
            let route = try await options.administer { try await $0.addRoute(draft) }
            try options.show(RouteDocument(route), text: RouteCommand.table([route]))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List a tenant's routes.")
        @OptionGroup var options: AdminOptions
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let tenant = tenant
            let routes = try await options.administer { try await $0.routes(tenant: tenant) }
            try options.show(NamedList("routes", routes.map(RouteDocument.init)), text: RouteCommand.table(routes))
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a route away.")
        @OptionGroup var options: AdminOptions
        @Argument(help: "The route.") var name: String
        @Option(help: "The tenant.") var tenant: String

        mutating func run() async throws {
            let (name, tenant) = (name, tenant)
            try await options.administer { try await $0.removeRoute(name, tenant: tenant) }
            try options.show(RemovedDocument(name), text: "removed \(name)\n")
        }
    }
}
