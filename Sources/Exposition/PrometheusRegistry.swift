public import CoreMetrics
import Synchronization

/// Metrics as Prometheus reads them (text format 0.0.4), behind swift-metrics.
///
/// Labels come from configuration and from small fixed sets; should one ever come from outside, a family takes no more than
/// ``maximumSeries`` of its values and leaves the others out.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    /// The most combinations of label values of one metric.
    public static let maximumSeries = 1_000

    private enum Kind: String, Sendable { case counter, gauge, histogram }

    private struct Family: Sendable {
        let kind: Kind
        var series: [String: any Cell] = [:]
    }

    private let families = Mutex<[String: Family]>([:])
    private let help: [String: String]

    /// - Parameter help: what each metric means, by its name.
    public init(help: [String: String] = [:]) { self.help = help }

    /// All metrics, in the order of their names.
    public func render() -> String {
        let snapshot = families.withLock { $0 }
        var text = ""
        for (name, family) in snapshot.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
            if let help = help[name] { text += "# HELP \(name) \(Self.escape(help, quotes: false))\n" }
            text += "# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, cell) in family.series.sorted(by: { $0.key < $1.key }) { cell.render(name, labels, into: &text) }
        }
        return text
    }

    /// The content type of ``render()``.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    // MARK: MetricsFactory

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(label, dimensions, .counter) { CounterCell() } ?? CounterCell()
    }

    public func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        cell(label, dimensions, .counter) { FloatCell() } ?? FloatCell()
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        cell(label, dimensions, .gauge) { FloatCell() } ?? FloatCell()
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return cell(label, dimensions, .gauge) { FloatCell() } ?? FloatCell() }
        return cell(label, dimensions, .histogram) { HistogramCell() } ?? HistogramCell()
    }

    /// Durations are shown in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        cell(label, dimensions, .histogram) { HistogramCell() } ?? HistogramCell()
    }

    // A metric stays when its last user goes: what was counted was counted.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// Takes a metric's series away, so that a value that has become another one is not shown for ever.
    public func forget(_ name: String) {
        families.withLock { $0[Self.name(name)]?.series = [:] }
    }

    /// The cell of these labels; `nil` where the metric is of another kind or has too many already.
    private func cell<C: Cell>(_ label: String, _ dimensions: [(String, String)], _ kind: Kind, _ make: () -> C) -> C? {
        let labels = dimensions.map { #"\#(Self.name($0.0))="\#(Self.escape($0.1, quotes: true))""# }.joined(separator: ",")
        return families.withLock { families in
            let name = Self.name(label)
            var family = families[name] ?? Family(kind: kind)
            if let known = family.series[labels] { return known as? C }
            guard family.kind == kind, family.series.count < Self.maximumSeries else { return nil }
            let made = make()
            family.series[labels] = made
            families[name] = family
            return made
        }
    }

    private static func name(_ text: String) -> String {
        let clean = text.unicodeScalars.map { scalar -> Character in
            let isAllowed = ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "_"
            return isAllowed ? Character(scalar) : "_"
        }
        return clean.first.map { $0.isNumber ? "_" + String(clean) : String(clean) } ?? "_"
    }

    private static func escape(_ text: String, quotes: Bool) -> String {
        var escaped = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        if quotes { escaped = escaped.replacing("\"", with: "\\\"") }
        return escaped
    }
}
