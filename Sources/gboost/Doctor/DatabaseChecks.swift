internal import EmbeddedPostgres
internal import Foundation
internal import GatewayCore
internal import GatewayServer
internal import Inference
internal import Ledger
internal import Postgres

/// The doctor's look at the database: is it reached, is its schema right, and does what it holds add up to an answer?
struct DatabaseChecks {
    let configuration: GatewayConfiguration

    func run() async -> [Finding] {
        if case .embedded(let path) = configuration.database.location {
            let cluster = EmbeddedCluster(directory: path)
            guard cluster.isMade else {
                return [
                    .warning(
                        "database", "the cluster at \(cluster.directory) is not made yet",
                        remedy: "run: gboost migrate")
                ]
            }
        }
        do {
            return try await DatabaseSession.run(configuration, anySchema: true) { try await look($0) }
        } catch {
            return [.problem("database", CommandRun.outcome(error).text, remedy: remedy(for: error))]
        }
    }

    private func look(_ pool: PostgresPool) async throws -> [Finding] {
        let directory = configuration.ledger.migrations
        let migrations = try? Migration.load(directory: directory)
        // Throws where the server is away: only then is it known to be reached.
        let statuses = try await Migrator(pool: pool, migrations: migrations ?? []).status()
        let reached = [Finding.ok("database", "reached"), Self.clock(try await DatabaseClock.read(pool))]
        let schema =
            migrations == nil
            ? Finding.problem(
                "schema", "is not looked at: the files in \(directory) cannot be read",
                remedy: "set ledger.migrations to the directory 'migrations'") : Self.schema(statuses)
        guard schema.state == .ok else { return reached + [schema] }
        let unused = [UInt8](repeating: 0, count: KeyPepper.minBytes)  // nothing is hashed here
        let store = AdminStore(pool: pool, hasher: try KeyHasher(pepper: unused), actor: "doctor")
        let prices = try await store.prices().filter(\.isInForce).map(\.price.model)
        var findings = try await reached + [schema] + keyHashes(pool)
        let tenants = try await store.tenants()
        if tenants.isEmpty {
            findings.append(.warning("tenants", "there is none", remedy: "run: gboost tenant create NAME"))
        }
        for tenant in tenants {
            findings += try await look(at: tenant, store: store, priced: Swift.Set(prices))
        }
        let unknown = try await store.holds(.unreconciled)
        if !unknown.isEmpty {
            findings.append(
                .warning(
                    "holds", "\(unknown.count) were posted in full because their charge is not known",
                    remedy: "compare with the provider's bill: gboost holds list --unreconciled"))
        }
        return findings
    }

    /// Seconds that the clocks may differ by, beyond what the round trip leaves open.
    static let clockTolerance = 1.0

    static func clock(_ clock: DatabaseClock) -> Finding {
        func figure(_ value: Double) -> String {
            let style = FloatingPointFormatStyle<Double>(locale: Locale(identifier: "en_US_POSIX"))
            return value.formatted(style.precision(.fractionLength(1)).grouping(.never))
        }
        let trip = "to \(figure(clock.error * 1000)) ms"
        guard abs(clock.offset) - clock.error > clockTolerance else {
            return .ok("clock", "the database's is this machine's, to a second (measured \(trip))")
        }
        let direction = clock.offset > 0 ? "ahead of" : "behind"
        return .warning(
            "clock",
            "the database's is \(figure(abs(clock.offset))) s \(direction) this machine's (measured \(trip))",
            remedy: "let the same time servers set the clocks of all gateways and of the database (chrony, "
                + "systemd-timesyncd)")
    }

    static func schema(_ all: [MigrationStatus]) -> Finding {
        if let changed = all.first(where: { $0.state == .changed }) {
            return .problem(
                "schema", "\(changed.name) was changed after it was applied",
                remedy: "restore the file, and write a new one for the change")
        }
        if let newer = all.last(where: { $0.state == .missing }) {
            return .problem(
                "schema", "is newer than this gateway: \(newer.name) was applied and is not among its files",
                remedy: "use a gateway that is as new as the database")
        }
        if let next = all.first(where: { $0.state == .pending }) {
            return .problem("schema", "\(next.name) is not applied yet", remedy: "run: gboost migrate")
        }
        return .ok("schema", "all \(all.count) migrations are applied")
    }

    private func look(
        at tenant: TenantInfo, store: AdminStore, priced: Swift.Set<ModelReference>
    ) async throws -> [Finding] {
        var findings: [Finding] = []
        let name = tenant.name
        let models = try await store.models(tenant: name)
        for model in models { findings.append(await look(at: model, among: models, of: name)) }
        for route in try await store.routes(tenant: name) {
            findings.append(look(at: route, of: name, priced: priced))
            if let unfit = Self.settings(of: route, of: name) { findings.append(unfit) }
        }
        let keys = try await store.keys(tenant: name).filter { key in
            key.revokedAt == nil && key.expiresAt.map { $0 > Date() } ?? true
        }
        if keys.isEmpty {
            findings.append(
                .warning("tenant \(name)", "has no key that works", remedy: "run: gboost key create --tenant \(name)"))
        }
        if let gap = BudgetGap(try await store.budgets(tenant: name), of: name) {
            findings.append(.warning("tenant \(name)", gap.reason, remedy: "run: \(gap.remedy)"))
        }
        if tenant.suspendedAt != nil {
            findings.append(
                .warning("tenant \(name)", "is suspended", remedy: "if it should not be: gboost tenant resume \(name)"))
        }
        return findings
    }

    private func look(
        at model: ModelRecord, among models: [ModelRecord], of tenant: String
    ) async -> Finding {
        let check = "model \(tenant)/\(model.name)"
        if let endpoint = try? RemoteEndpoint.parse(model.file) {
            return .ok(check, "\(endpoint.model) at \(endpoint.baseURL), not asked")
        }
        do {
            let found = try await FileDigest.of(model.file)
            guard found.sha256 == model.sha256 else {
                return .problem(
                    check, "\(model.file) is not the file that was registered",
                    remedy: "restore it, or remove the model and add it again")
            }
            let settings = ModelRecord.settingsFile(besides: model.file)
            if let registered = model.settingsSHA256, try await FileDigest.of(settings).sha256 != registered {
                return .problem(
                    check, "\(settings) is not the file that was registered",
                    remedy: "restore it, or remove the model and add it again")
            }
            if let misfit = await HeadCheck.misfit(
                of: model.file, as: model.rewardKind, base: model.base, among: models)
            {
                return .problem(
                    check, misfit.message,
                    remedy: "remove the model, and add it again with a head for its base, or the base of this head")
            }
            if EngineModels.isHosted(model), let header = try? await GGUFFile.checked(model.file),
                let oversize = configuration.oversize(header)
            {
                return .problem(
                    check, "\(model.file) \(oversize)", remedy: GatewayConfiguration.oversizeRemedy)
            }
            if model.rewardKind == .tokens, model.settingsSHA256 == nil,
                FileManager.default.fileExists(atPath: settings)
            {
                return .warning(
                    check, "\(settings) decides with it, and was not registered: changes of it are not noticed",
                    remedy: "remove the model and add it again")
            }
            return .ok(check, "\(model.file), \(found.bytes >> 20) MiB, as registered")
        } catch {
            return .problem(check, error.message, remedy: "put the file back, or remove the model and add it again")
        }
    }

    func look(at route: RouteRecord, of tenant: String, priced: Swift.Set<ModelReference>) -> Finding {
        let check = "route \(tenant)/\(route.name)"
        if route.settings.escalationForbidden { return .ok(check, "never escalates") }
        guard configuration.providers.contains(where: { $0.name == route.llm.provider }) else {
            return .problem(
                check, "its LLM \(route.llm) names a provider that is not configured",
                remedy: "add '\(route.llm.provider)' under 'providers', or change the route")
        }
        guard priced.contains(route.llm) else {
            return .problem(
                check, "its LLM \(route.llm) has no price in force, so it is never called",
                remedy: "run: gboost price set \(route.llm) --input-usd-per-mtok X --output-usd-per-mtok Y")
        }
        return .ok(check, "escalates to \(route.llm)")
    }

    /// What of a route's settings would not be saved today, though an earlier version took it; nil: nothing.
    static func settings(of route: RouteRecord, of tenant: String) -> Finding? {
        let check = "route \(tenant)/\(route.name)"
        do throws(RouteSettingsError) {
            try route.settings.validateForSaving()
            return nil
        } catch {
            let message = "settings.\(error)"
            let remedy = "change it: gboost apply, or PUT /admin/v1/routes/\(route.name)"
            // Of the others one is left aside; with a pattern that ends no step no draft comes about.
            guard error.key == RouteSettings.Key.boundary.rawValue else {
                return .warning(check, message, remedy: remedy)
            }
            return .problem(check, "\(message): answers of its SLM fail", remedy: remedy)
        }
    }
}
