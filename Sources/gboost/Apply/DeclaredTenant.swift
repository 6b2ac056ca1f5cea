internal import Foundation
internal import GatewayCore
internal import Ledger
internal import Yams

/// One tenant of a file, with everything that belongs to it.
struct DeclaredTenant {
    private let tenant: String
    private(set) var resources: [DeclaredResource] = []
    private static let scopeFields = ["team", "key", "model", "tag"]

    init(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let fields = try DeclaredMapping(
            node, place,
            known: [
                "name", "time_zone", "suspended", "capture_days", "cache_seconds", "teams", "keys", "budgets", "limits",
                "routes", "destinations",
            ])
        tenant = try fields.required("name")
        let zone = try fields.parsed("time_zone", ArgumentParsing.timeZone)
        let isSuspended = try fields.flag("suspended")
        var shown: [String: String] = [:]
        shown["time_zone"] = zone
        shown["suspended"] = isSuspended.map(ResourceText.flag)
        let capture = try Self.span("capture_days", AdminStore.maxCaptureDays, fields)
        let cache = try Self.span("cache_seconds", AdminStore.maxCacheSeconds, fields)
        shown["capture_days"] = capture.map(ResourceText.span)
        shown["cache_seconds"] = cache.map(ResourceText.span)
        resources.append(
            DeclaredResource(
                name: ResourceName(kind: .tenant, tenant: tenant, text: tenant), fields: shown,
                draft: .tenant(timeZone: zone, suspended: isSuspended, capture: capture, cache: cache), place: place))
        let limit = DeclaredState.maxEntries
        for (node, place) in try fields.list("teams", atMost: limit) { try addTeam(node, place) }
        for (node, place) in try fields.list("keys", atMost: limit) { try addKey(node, place) }
        for (node, place) in try fields.list("budgets", atMost: limit) { try addBudget(node, place) }
        for (node, place) in try fields.list("limits", atMost: limit) { try addLimits(node, place) }
        for (node, place) in try fields.list("routes", atMost: limit) { try addRoute(node, place) }
        for (node, place) in try fields.list("destinations", atMost: limit) {
            resources.append(try DeclaredDestination.resource(node, place, tenant: tenant))
        }
    }

    private mutating func add(
        _ kind: ResourceName.Kind, _ text: String, _ fields: [String: String], _ draft: DeclaredResource.Draft,
        _ place: DeclaredPlace
    ) {
        resources.append(
            DeclaredResource(
                name: ResourceName(kind: kind, tenant: tenant, text: text), fields: fields, draft: draft, place: place))
    }

    /// How long something is kept, or "none"; nil: the file does not say.
    private static func span(_ name: String, _ most: Int, _ fields: DeclaredMapping) throws(CommandFailure) -> Int?? {
        guard let text = try fields.text(name) else { return nil }
        if text == ResourceText.none { return .some(nil) }
        guard let number = Int(text), (1...most).contains(number) else {
            throw fields.failure(name, "'\(text)' is neither none nor a number of 1…\(most)")
        }
        return .some(number)
    }

    /// A name alone, or a mapping.
    private mutating func addTeam(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        if case .scalar(let scalar) = node {
            return add(.team, scalar.string, [:], .team(suspended: nil, models: nil), place)
        }
        let fields = try DeclaredMapping(node, place, known: ["name", "suspended", "models"])
        let isSuspended = try fields.flag("suspended")
        let models = try Self.models(fields)
        var shown: [String: String] = [:]
        shown["suspended"] = isSuspended.map(ResourceText.flag)
        shown["models"] = models.map(ResourceText.models)
        add(.team, try fields.required("name"), shown, .team(suspended: isSuspended, models: models), place)
    }

    private mutating func addKey(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let fields = try DeclaredMapping(node, place, known: ["name", "team", "expires", "suspended", "models"])
        var draft = KeyDraft(tenant: tenant, name: try fields.required("name"))
        var shown: [String: String] = [:]
        if let team = try fields.text("team") {
            draft.team = team == ResourceText.none ? nil : team
            shown["team"] = team
        }
        if let end = try fields.text("expires") {
            if end != ResourceText.none { draft.expiresAt = try fields.parsed("expires", ArgumentParsing.instant) }
            shown["expires"] = ResourceText.time(draft.expiresAt)
        }
        draft.models = try Self.models(fields)
        let isSuspended = try fields.flag("suspended")
        shown["suspended"] = isSuspended.map(ResourceText.flag)
        shown["models"] = draft.models.map(ResourceText.models)
        add(.key, draft.name, shown, .key(draft, suspended: isSuspended), place)
    }

    private mutating func addBudget(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let fields = try DeclaredMapping(
            node, place,
            known: Self.scopeFields + ["window", "limit_usd", "alert_at", "time_zone", "week_start", "rollover_usd"])
        _ = try fields.required("limit_usd")
        let (scope, key) = try Self.scope(fields)
        var draft = BudgetDraft(
            tenant: tenant, scope: scope, model: try fields.text("model"), tag: try fields.text("tag"),
            window: try fields.choice("window", BudgetWindow.self) ?? .month,
            limit: try fields.parsed("limit_usd", ArgumentParsing.usd) ?? .zero,
            timeZone: try fields.parsed("time_zone", ArgumentParsing.timeZone),
            weekStart: try fields.choice("week_start", Weekday.self)?.number,
            rollover: try fields.parsed("rollover_usd", ArgumentParsing.rollover))
        draft.alertAt = try Self.thresholds(fields)
        var shown = ["limit_usd": draft.limit.usdString]
        shown["alert_at"] = draft.alertAt.map(ResourceText.list)
        shown["time_zone"] = draft.timeZone
        shown["week_start"] = draft.weekStart.map { Weekday.allCases[$0 - 1].rawValue }
        shown["rollover_usd"] = draft.rollover.map {
            if case .upTo(let amount) = $0 { amount.usdString } else { ResourceText.none }
        }
        let name = ResourceText.scope(team: try fields.text("team"), key: key, model: draft.model, tag: draft.tag)
        add(.budget, "\(name) \(draft.window.rawValue)", shown, .budget(draft, key: key), place)
    }

    /// One entry may set several limits of one scope.
    private mutating func addLimits(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let units: [(String, LimitUnit)] = [
            ("requests_per_minute", .requests), ("tokens_per_minute", .tokens), ("parallel", .parallel),
        ]
        let fields = try DeclaredMapping(node, place, known: Self.scopeFields + ["for"] + units.map(\.0))
        let (scope, key) = try Self.scope(fields)
        let traffic = try fields.choice("for", LimitedTraffic.self) ?? .paid
        var isEmpty = true
        for (field, unit) in units {
            guard let number = try fields.integer(field) else { continue }
            guard number >= 0 else { throw fields.failure(field, "is negative") }
            isEmpty = false
            var draft = LimitDraft(tenant: tenant, scope: scope, unit: unit, traffic: traffic, limit: number)
            draft.model = try fields.text("model")
            draft.tag = try fields.text("tag")
            let name = ResourceText.scope(team: try fields.text("team"), key: key, model: draft.model, tag: draft.tag)
            add(
                .limit, "\(name) \(unit.rawValue) for \(traffic.rawValue)", ["limit": String(number)],
                .limit(draft, key: key), fields.place(of: field))
        }
        if isEmpty { throw place.failure(nil, "one of \(units.map(\.0).joined(separator: ", ")) is needed") }
    }

    private mutating func addRoute(_ node: Node, _ place: DeclaredPlace) throws(CommandFailure) {
        let fields = try DeclaredMapping(node, place, known: ["name", "slm", "prm", "llm", "settings"])
        var settings = RouteSettings()
        if let given = try fields.mapping("settings") {
            for name in given.names {
                guard let value = try given.text(name) else { continue }
                do throws(CommandFailure) {
                    try RouteSettingsParsing.set(name, value, in: &settings)
                } catch { throw given.failure(name, error.message) }
            }
            do throws(RouteSettingsError) {
                try RouteSettingsParsing.settle(&settings, given: Set(given.names))
            } catch { throw given.failure(error.key, error.message) }
        }
        _ = try fields.required("llm")
        guard let llm = try fields.parsed("llm", ArgumentParsing.modelReference) else {
            throw fields.failure("llm", "is missing")
        }
        let draft = RouteDraft(
            tenant: tenant, name: try fields.required("name"),
            slm: settings.strategy == .direct ? try fields.text("slm") ?? "" : try fields.required("slm"),
            prm: try fields.text("prm"), llm: llm, settings: settings)
        do throws(LedgerError) {
            let shown = try ResourceText.route(slm: draft.slm, prm: draft.prm, llm: llm, settings)
            add(.route, draft.name, shown, .route(draft), place)
        } catch { throw place.failure(error) }
    }

    /// Patterns of what may be put into `model`; nil: the file does not say.
    private static func models(_ fields: DeclaredMapping) throws(CommandFailure) -> [String]? {
        guard fields.names.contains("models") else { return nil }
        return try fields.list("models", atMost: DeclaredState.maxEntries).map { $0.node.string ?? "" }
    }

    private static func scope(
        _ fields: DeclaredMapping
    ) throws(CommandFailure) -> (scope: BudgetScope, key: String?) {
        let (team, key) = (try fields.text("team"), try fields.text("key"))
        if team != nil, key != nil { throw fields.failure("key", "team and key exclude each other") }
        return (team.map { .team($0) } ?? .tenant, key)
    }

    /// A list, or "50,80,95".
    private static func thresholds(_ fields: DeclaredMapping) throws(CommandFailure) -> [Int]? {
        do throws(CommandFailure) {
            if let values = try fields.parsed("alert_at", ArgumentParsing.thresholds) { return values }
            return nil
        } catch {
            guard let items = try? fields.list("alert_at", atMost: 20) else { throw error }
            let texts = items.map { $0.node.string ?? "" }
            if texts.isEmpty { return [] }
            do throws(CommandFailure) {
                return try ArgumentParsing.thresholds(texts.joined(separator: ","), option: "")
            } catch { throw fields.failure("alert_at", "is not a rising list of percentages such as [50, 80, 95]") }
        }
    }
}
