internal import Router

/// Replay reports as tables.
enum ReplayText {
    /// One report: every policy, every budget.
    static func text(_ report: ReplayReport) -> String {
        let budgets = keys(report.curve.pgr)
        var table = TextTable(
            [.init("PGR")] + budgets.map { .init(percent($0), .right) } + [.init("APGR", .right), .init("AIQ", .right)])
        let others = report.baselines.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        for (name, curve) in [("adaptive", report.curve)] + others {
            table.rows.append(
                [name] + budgets.map { number(curve.pgr[$0]) } + [number(curve.apgr), number(curve.aiq)])
        }
        table.rows.append(["of hindsight"] + budgets.map { number(report.hindsightShare[$0]) } + ["", ""])
        if !report.recovery.isEmpty {
            table.rows.append(["recovered"] + budgets.map { number(report.recovery[$0]) } + ["", ""])
        }
        table.rows.append(["cost, share"] + budgets.map { number(report.curve.spendShare[$0]) } + ["", ""])
        let facts = [
            "\(report.rows) requests, \(report.seeds) seeds, order \(report.order.rawValue)",
            report.perturbation == .none ? nil : report.perturbation.rawValue,
            report.knowsCosts ? "costs known beforehand" : nil,
            "SLM alone \(number(report.slmOnly)), LLM alone \(number(report.llmOnly))",
            "most of a budget used \(number(report.spendShareMax))", "violations \(report.violations)",
            "explored \(number(report.explorationShare))",
        ]
        return table.render() + facts.compactMap(\.self).joined(separator: "; ") + "\n"
    }

    /// Many reports: what share of hindsight's gain each reaches.
    static func suite(_ reports: [ReplayReport]) -> String {
        let budgets = keys(reports.first?.curve.pgr ?? [:])
        var table = TextTable(
            [.init("GAIN, OF HINDSIGHT'S")] + budgets.map { .init(percent($0), .right) } + [.init("VIOLATIONS", .right)]
        )
        for report in reports {
            let name = report.perturbation == .none ? report.order.rawValue : report.perturbation.rawValue
            table.rows.append(
                [name] + budgets.map { number(report.hindsightShare[$0]) } + [String(report.violations)])
            guard !report.recovery.isEmpty else { continue }
            table.rows.append(["  after 100 requests"] + budgets.map { number(report.recovery[$0]) } + [""])
        }
        return table.render()
    }

    private static func keys(_ values: [String: Double]) -> [String] {
        values.keys.sorted { (Double($0) ?? 0) < (Double($1) ?? 0) }
    }

    private static func percent(_ key: String) -> String {
        let percent = (Double(key) ?? 0) * 100
        return percent == percent.rounded() ? "\(Int(percent)) %" : "\(percent) %"
    }

    private static func number(_ value: Double?) -> String {
        guard let value, value.isFinite, abs(value) < 1e6 else { return "" }
        let thousandths = Int((abs(value) * 1000).rounded())
        let digits = String(1000 + thousandths % 1000).dropFirst()
        return "\(value < 0 && thousandths > 0 ? "-" : "")\(thousandths / 1000).\(digits)"
    }
}
