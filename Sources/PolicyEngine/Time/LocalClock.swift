import Foundation

/// What the clock on the wall of a time zone shows, by the zone's offset alone.
struct LocalClock: Sendable, Hashable {
    static let minutesOfWeek = 7 * 24 * 60
    let zone: TimeZone

    /// Seconds since 1970-01-01 as if the zone's clock were UTC's.
    func seconds(_ date: Date) -> Int { Int(date.timeIntervalSince1970.rounded(.down)) + zone.secondsFromGMT(for: date) }

    /// The instant at which the wall clock shows this. Where it shows it twice, the first one; where it never does, the one after the gap.
    func date(atSeconds local: Int) -> Date {
        // The offsets of the days around: a change of the clock lies between them, if there is one.
        let before = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(local - 86_400)))
        let after = zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(local + 86_400)))
        let early = Date(timeIntervalSince1970: Double(local - max(before, after)))
        if zone.secondsFromGMT(for: early) == max(before, after) { return early }
        let late = Date(timeIntervalSince1970: Double(local - min(before, after)))
        return zone.secondsFromGMT(for: late) == min(before, after) ? late : Date(timeIntervalSince1970: Double(local - before))
    }

    /// Minutes since Monday 00:00.
    func minuteOfWeek(_ date: Date) -> Int {
        // 1970-01-01 was a Thursday.
        let minutes = Self.floor(seconds(date), 60) + 3 * 1_440
        return minutes - Self.floor(minutes, Self.minutesOfWeek) * Self.minutesOfWeek
    }

    /// The next instant after `date` at which this minute of the week begins.
    func next(_ minute: Int, after date: Date) -> Date {
        let now = seconds(date)
        let startOfMinute = Self.floor(now, 60) * 60
        var wait = (minute - minuteOfWeek(date) + Self.minutesOfWeek) % Self.minutesOfWeek
        if wait == 0 { wait = Self.minutesOfWeek }
        return self.date(atSeconds: startOfMinute + wait * 60)
    }

    private static func floor(_ value: Int, _ divisor: Int) -> Int { value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor) }
}
