import CoreMetrics
import Exposition
import Testing

@Suite struct PrometheusRegistryTests {
    @Test func countersGaugesAndHistogramsInPrometheusWords() {
        let registry = PrometheusRegistry(help: ["requests_total": "Requests\nof all kinds."])
        registry.makeCounter(label: "requests_total", dimensions: [("registry", "dev"), ("status", "2xx")]).increment(by: 3)
        registry.makeCounter(label: "requests_total", dimensions: [("registry", "dev"), ("status", "2xx")]).increment(by: 4)
        registry.makeCounter(label: "requests_total", dimensions: [("registry", "dev"), ("status", "5xx")]).increment(by: 1)
        let meter = registry.makeMeter(label: "in_flight", dimensions: [])
        meter.set(Int64(3))
        meter.decrement(by: 0.5)
        let timer = registry.makeTimer(label: "seconds", dimensions: [("registry", "dev")])
        timer.recordNanoseconds(40_000_000)
        timer.recordNanoseconds(7_200_000_000_000)
        let lines = registry.render().split(separator: "\n").map(String.init)
        #expect(lines.prefix(2) == ["# TYPE in_flight gauge", "in_flight 2.5"])
        #expect(lines.contains("# HELP requests_total Requests\\nof all kinds."))
        #expect(lines.contains(#"requests_total{registry="dev",status="2xx"} 7"#) && lines.contains(#"requests_total{registry="dev",status="5xx"} 1"#))
        #expect(lines.contains(#"seconds_bucket{registry="dev",le="0.025"} 0"#) && lines.contains(#"seconds_bucket{registry="dev",le="0.05"} 1"#))
        #expect(lines.contains(#"seconds_bucket{registry="dev",le="3600"} 1"#) && lines.contains(#"seconds_bucket{registry="dev",le="+Inf"} 2"#))
        #expect(lines.contains(#"seconds_count{registry="dev"} 2"#) && lines.contains(#"seconds_sum{registry="dev"} 7200.04"#))
    }

    @Test func labelsCannotBreakTheFormat() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "a-b.c", dimensions: [("x y", "quote\" back\\ line\n} 1")]).increment(by: 1)
        #expect(registry.render() == "# TYPE a_b_c counter\na_b_c{x_y=\"quote\\\" back\\\\ line\\n} 1\"} 1\n")
    }

    @Test func aMetricHasNoMoreSeriesThanItsLimit() {
        let registry = PrometheusRegistry()
        for number in 0..<3_000 { registry.makeCounter(label: "many", dimensions: [("n", String(number))]).increment(by: 1) }
        #expect(registry.render().split(separator: "\n").count == PrometheusRegistry.maximumSeries + 1)
    }

    /// The same name for two kinds is a mistake of ours: it must not end the service.
    @Test func anotherKindOfTheSameNameIsLeftOut() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "x", dimensions: []).increment(by: 1)
        registry.makeTimer(label: "x", dimensions: [("a", "b")]).recordNanoseconds(1)
        registry.makeTimer(label: "x", dimensions: []).recordNanoseconds(1)
        #expect(registry.render() == "# TYPE x counter\nx 1\n")
    }

    @Test func whatIsForgottenIsNotShown() {
        let registry = PrometheusRegistry()
        registry.makeMeter(label: "version", dimensions: [("v", "1")]).set(Int64(1))
        registry.forget("version")
        registry.makeMeter(label: "version", dimensions: [("v", "2")]).set(Int64(1))
        #expect(registry.render() == "# TYPE version gauge\nversion{v=\"2\"} 1\n")
    }
}
