import Foundation

/// A stretch of time that comes again every week, or once.
enum CalendarWindow: Sendable, Hashable {
    /// From one minute of the week up to another one, beyond the week's end where the second is smaller.
    case weekly(from: Int, to: Int)
    case dated(from: Date, to: Date)

    func contains(_ date: Date, _ clock: LocalClock) -> Bool {
        switch self {
        case .weekly(let from, let to):
            let minute = clock.minuteOfWeek(date)
            return from < to ? (from..<to).contains(minute) : minute >= from || minute < to
        case .dated(let from, let to): return from <= date && date < to
        }
    }

    /// When it ends, for a time inside.
    func end(_ date: Date, _ clock: LocalClock) -> Date {
        switch self {
        case .weekly(_, let to): clock.next(to % LocalClock.minutesOfWeek, after: date)
        case .dated(_, let to): to
        }
    }

    /// When it next begins after a time outside; `nil` where it never does again.
    func start(after date: Date, _ clock: LocalClock) -> Date? {
        switch self {
        case .weekly(let from, _): clock.next(from, after: date)
        case .dated(let from, _): from > date ? from : nil
        }
    }
}

/// Windows under one name: `days: [mon-fri]` is five of them.
struct NamedWindow: Sendable, Hashable {
    let name: String
    let parts: [CalendarWindow]

    func part(at date: Date, _ clock: LocalClock) -> CalendarWindow? { parts.first { $0.contains(date, clock) } }
}

/// When it is open: not within any closed window, and where there are open ones, within one of them.
struct OpeningHours: Sendable, Hashable {
    /// Most windows that are stepped over in search of the next opening.
    private static let maximumSteps = 1_000
    let clock: LocalClock
    let closed: [NamedWindow]
    let open: [NamedWindow]

    enum State: Sendable, Hashable {
        case open(String?)
        /// `window` is `nil` outside of all open windows; `next` where it is known.
        case closed(window: String?, next: Date?)
    }

    func state(at date: Date) -> State {
        if let window = closed.first(where: { $0.part(at: date, clock) != nil }) {
            return .closed(window: window.name, next: nextOpening(after: date))
        }
        guard !open.isEmpty else { return .open(nil) }
        if let window = open.first(where: { $0.part(at: date, clock) != nil }) { return .open(window.name) }
        return .closed(window: nil, next: nextOpening(after: date))
    }

    private func nextOpening(after date: Date) -> Date? {
        var time = date
        for _ in 0..<Self.maximumSteps {
            if let ends = closed.compactMap({ $0.part(at: time, clock)?.end(time, clock) }).max() {
                time = ends
            } else if open.isEmpty || open.contains(where: { $0.part(at: time, clock) != nil }) {
                return time
            } else {
                guard let next = open.flatMap(\.parts).compactMap({ $0.start(after: time, clock) }).min() else { return nil }
                time = next
            }
        }
        return nil
    }
}
