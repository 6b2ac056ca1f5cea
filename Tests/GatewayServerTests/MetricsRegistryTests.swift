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
