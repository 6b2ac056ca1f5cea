import Testing

@testable import GatewayServer

@Suite("Metrics in Prometheus' text form")
struct MetricsRegistryTests {
    @Test("Counters, gauges and histograms are rendered with escaped labels")
    func render() {
        let registry = MetricsRegistry()
        registry.declare("a_total", .counter, help: "A.", labels: ["who"])
        registry.declare("h", .histogram, help: "H.", bounds: [1, 2])
        registry.add("a_total", 2, ["x\"y\\z"])
        registry.observe("h", 1.5)
        registry.observe("h", 9)
        let text = registry.render()
        #expect(text.contains(#"a_total{who="x\"y\\z"} 2"#))
        #expect(
            text.contains("h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 10.5\nh_count 2"))
    }

    @Test("A mark that joins a quote, and CR LF, cannot end a label or a line")
    func marks() {
        let registry = MetricsRegistry()
        registry.declare("a_total", .counter, help: "A.", labels: ["who"])
        registry.add("a_total", 2, ["\u{600}\"x\"\u{301}\\\u{301}\r\nb_total 7"])
        let line = "a_total{who=\"\u{600}\\\"x\\\"\u{301}\\\\\u{301}\r\\nb_total 7\"} 2"
        let lines = registry.render().utf8.split(separator: UInt8(ascii: "\n")).map { Array($0) }
        #expect(lines.contains(Array(line.utf8)) && !lines.contains(Array("b_total 7\"} 2".utf8)))
    }

    @Test("A gauge is replaced as a whole, and what has no room is counted, not added up")
    func replace() {
        let registry = MetricsRegistry()
        registry.declare("g", .gauge, help: "G.", labels: ["who"])
        registry.replace("g", [(["a"], 1), (["b"], 2), ([], 3)])
        #expect(registry.value("g", ["a"]) == 1 && registry.value("gboost_metrics_left_out", ["g"]) == 1)
        registry.replace("g", [(["b"], 5)])
        #expect(registry.value("g", ["a"]) == nil && registry.value("g", ["b"]) == 5)
        #expect(registry.value("gboost_metrics_left_out", ["g"]) == nil)
        let many = (0..<(MetricsRegistry.maxSeriesPerGauge + 7)).map { (labels: ["\($0)"], value: 1.0) }
        registry.replace("g", many)
        #expect(registry.value("gboost_metrics_left_out", ["g"]) == 7 && registry.value("g", ["other"]) == nil)
        registry.replace("g", [])
        #expect(!registry.render().contains("g{"))
    }

    @Test("A family cannot grow without bound, and wrong label counts are ignored")
    func bound() {
        let registry = MetricsRegistry()
        registry.declare("a_total", .counter, help: "A.", labels: ["who"])
        for index in 0..<(MetricsRegistry.maxSeriesPerFamily + 10) { registry.add("a_total", 1, ["\(index)"]) }
        registry.add("a_total", 1, [])
        #expect(registry.value("a_total", ["other"]) == 10)
        #expect(registry.value("a_total", []) == nil)
    }
}
