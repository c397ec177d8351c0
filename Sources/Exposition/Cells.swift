import CoreMetrics
import Synchronization

/// The values behind one metric with one set of labels.
protocol Cell: AnyObject, Sendable {
    func render(_ name: String, _ labels: String, into text: inout String)
}

extension Cell {
    func line(_ name: String, _ labels: String, _ value: String, into text: inout String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }

    /// Prometheus' own words for what is no number, and no ".0" behind a whole one.
    func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}

/// A number that only grows.
final class CounterCell: Cell, CounterHandler {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) { value.wrappingAdd(max(0, amount), ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }

    func render(_ name: String, _ labels: String, into text: inout String) {
        line(name, labels, String(value.load(ordering: .relaxed)), into: &text)
    }
}

/// A number that is set, or goes up and down.
final class FloatCell: Cell, MeterHandler, RecorderHandler, FloatingPointCounterHandler {
    private let value = Mutex(0.0)

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { self.value.withLock { $0 = value } }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func reset() { set(0.0) }

    func render(_ name: String, _ labels: String, into text: inout String) { line(name, labels, number(value.withLock { $0 }), into: &text) }
}

/// How many values were how large, and their sum.
final class HistogramCell: Cell, TimerHandler, RecorderHandler {
    /// Upper bounds: from a request within a machine to a promotion of many gigabytes, in seconds.
    private static let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600]

    private struct State {
        var counts = [Int](repeating: 0, count: HistogramCell.bounds.count)
        var count = 0
        var sum = 0.0
    }

    private let state = Mutex(State())

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1_000_000_000) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        state.withLock { state in
            if let index = Self.bounds.firstIndex(where: { value <= $0 }) { state.counts[index] += 1 }
            state.count += 1
            state.sum += value
        }
    }

    func render(_ name: String, _ labels: String, into text: inout String) {
        let state = state.withLock { $0 }
        let before = labels.isEmpty ? "" : labels + ","
        var below = 0
        for (bound, count) in zip(Self.bounds, state.counts) {
            below += count
            line(name + "_bucket", before + #"le="\#(number(bound))""#, String(below), into: &text)
        }
        line(name + "_bucket", before + #"le="+Inf""#, String(state.count), into: &text)
        line(name + "_sum", labels, number(state.sum), into: &text)
        line(name + "_count", labels, String(state.count), into: &text)
    }
}
