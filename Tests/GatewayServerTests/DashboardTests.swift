import Foundation
import Testing

@testable import GatewayServer

/// Dashboards and rules ask for what a gateway shows. That each query returns data is `ops/dashboards`' to say.
@Suite("Dashboards and rules name metrics that exist")
struct DashboardTests {
    private static let checkout = URL(filePath: #filePath).appending(path: "../../..").standardized
    private static let directory = checkout.appending(path: "dashboards")
    private static let files = ["finance.json", "operations.json", "router.json"]
    private static let rules = "prometheus-rules.yaml"

    private static func text(_ name: String) throws -> String {
        try String(contentsOf: directory.appending(path: name), encoding: .utf8)
    }

    /// Every query of a dashboard, those of its variables too.
    private static func queries(_ name: String) throws -> [String] {
        let json = try JSONSerialization.jsonObject(with: Data(try text(name).utf8)) as? [String: Any]
        let panels = json?["panels"] as? [[String: Any]] ?? []
        let targets = panels.flatMap { $0["targets"] as? [[String: Any]] ?? [] }
        let variables = (json?["templating"] as? [String: Any])?["list"] as? [[String: Any]] ?? []
        return targets.compactMap { $0["expr"] as? String } + variables.compactMap { $0["definition"] as? String }
    }

    private static let declared = GatewayMetrics().registry.declarations

    /// A name in a query to the family that it belongs to.
    private static func family(_ name: String) -> String? {
        if let known = declared[name] { return known.kind == .histogram ? nil : name }
        for suffix in ["_bucket", "_sum", "_count"] where name.hasSuffix(suffix) {
            let stem = String(name.dropLast(suffix.count))
            if declared[stem]?.kind == .histogram { return stem }
        }
        return nil
    }

    /// What is not there in a query's metrics and labels, a sentence each.
    private static func problems(_ query: String, records: Set<String>) -> [String] {
        var problems: [String] = []
        for match in query.matches(of: /[a-z_]+:gboost_[a-z0-9_]+:[a-z0-9_]+/) where !records.contains("\(match.0)") {
            problems.append("\(match.0) is recorded by no rule")
        }
        for match in query.matches(of: /(?:^|[^:a-z_])(gboost_[a-z0-9_]+)(?:\{([^}]*)\})?/) {
            guard let family = family("\(match.1)"), let known = declared[family] else {
                problems.append("\(match.1) is no metric of a gateway")
                continue
            }
            for label in (match.2 ?? "").matches(of: /([a-z_]+)(?:=~|!~|!=|=)"/) {
                guard !(known.labels + ["le", "instance"]).contains("\(label.1)") else { continue }
                problems.append("\(match.1) has no label \(label.1)")
            }
        }
        return problems
    }

    private static func records() throws -> Set<String> {
        Set(try text(rules).matches(of: /record: (\S+)/).map { String($0.1) })
    }

    @Test("Every query of every panel asks for metrics and labels that /metrics has", arguments: files)
    func boards(name: String) throws {
        let queries = try Self.queries(name)
        #expect(queries.count > 20)
        let records = try Self.records()
        for query in queries { #expect(Self.problems(query, records: records) == [], "\(query)") }
    }

    @Test("Every rule does, and every alert has a runbook that is there, and a test")
    func rules() throws {
        let text = try Self.text(Self.rules)
        let records = try Self.records()
        let code = text.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("#") }
            .joined(separator: "\n")
        #expect(Self.problems(code, records: records) == [])
        let alerts = text.matches(of: /alert: (\S+)/).map { String($0.1) }
        let runbooks = text.matches(of: /runbook: (\S+)/).map { String($0.1) }
        #expect(alerts.count == runbooks.count && alerts.count >= 12)
        for path in runbooks {
            #expect(FileManager.default.fileExists(atPath: Self.checkout.appending(path: path).path), "\(path)")
        }
        let tests = try Self.text("prometheus-rules-test.yaml")
        for alert in alerts {
            #expect(tests.contains("alertname: \(alert)\n"), "\(alert) has no test")
        }
    }

    @Test("Every metric is shown somewhere, and counted somewhere")
    func complete() throws {
        let shown = try (Self.files.flatMap(Self.queries) + [Self.text(Self.rules)]).joined(separator: "\n")
        let sources = Self.checkout.appending(path: "Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        var code = ""
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift", file.lastPathComponent != "GatewayMetrics.swift" else { continue }
            code += try String(contentsOf: file, encoding: .utf8)
        }
        for name in Self.declared.keys.sorted() {
            #expect(shown.contains(name), "\(name) is on no dashboard and in no rule")
            #expect(code.contains("\"\(name)\""), "\(name) is declared, and nothing sets it")
        }
    }

    @Test("What is asked for and does not exist is seen")
    func problems() {
        #expect(Self.problems("sum(gboost_requests)", records: []) == ["gboost_requests is no metric of a gateway"])
        #expect(
            Self.problems("rate(gboost_requests_total{key=\"1\"}[5m])", records: [])
                == ["gboost_requests_total has no label key"])
        #expect(Self.problems("gboost_step_reward{tenant=\"a\"}", records: []).count == 1)
        #expect(Self.problems("a:gboost_x:b > 1", records: []) == ["a:gboost_x:b is recorded by no rule"])
        #expect(Self.problems("rate(gboost_step_reward_bucket{le=\"1\",route=~\"a\"}[5m])", records: []) == [])
    }
}
