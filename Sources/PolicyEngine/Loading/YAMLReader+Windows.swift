import Foundation
import Yams

extension YAMLReader {
    mutating func timeZone(_ node: Node) -> TimeZone? {
        guard let text = string(node, "timezone") else { return nil }
        // Abbreviations such as CST mean several zones, and the offsets of some change.
        guard text == "UTC" || text.contains("/"), let zone = TimeZone(identifier: text) else {
            report(node, "'\(text)' is no time zone", "write its name, for example Europe/Berlin, or UTC")
            return nil
        }
        return zone
    }

    mutating func windows(_ node: Node?, _ what: String, _ clock: LocalClock) -> [NamedWindow] {
        guard let node else { return [] }
        var windows: [NamedWindow] = []
        for item in list(node, what) {
            guard let members = members(item, of: "a window", allowed: ["name", "days", "from", "to", "start", "end"]) else { continue }
            let parts: [CalendarWindow]?
            if members["start"] != nil || members["end"] != nil {
                parts = datedWindow(item, members, clock).map { [$0] }
            } else if let days = members["days"] {
                parts = dailyWindows(item, days, members)
            } else {
                parts = weeklyWindow(item, members).map { [$0] }
            }
            let name = members["name"].flatMap { string($0, "name") }
            guard let parts else { continue }
            windows.append(NamedWindow(name: name ?? Self.label(members), parts: parts))
        }
        return windows
    }

    private static func label(_ members: [String: Node]) -> String {
        let days = members["days"].map { $0.scalar?.string ?? $0.array().compactMap { $0.scalar?.string }.joined(separator: ", ") + " " } ?? ""
        let (from, to) = (members["from"] ?? members["start"], members["to"] ?? members["end"])
        return days + [from, to].compactMap { $0?.scalar?.string }.joined(separator: " to ")
    }

    /// `{ start: 2026-12-20, end: 2027-01-06 }`: whole days, or times of day behind a `T`. The last day belongs to it.
    private mutating func datedWindow(_ node: Node, _ members: [String: Node], _ clock: LocalClock) -> CalendarWindow? {
        guard let start = members["start"], let end = members["end"], members["from"] == nil, members["to"] == nil, members["days"] == nil else {
            report(node, "a window on dates has a start, an end, and nothing else", "write '{ name: holidays, start: 2026-12-20, end: 2027-01-06 }'")
            return nil
        }
        guard let from = localSeconds(start, "start", isEnd: false), let to = localSeconds(end, "end", isEnd: true) else { return nil }
        guard from < to else {
            report(end, "the window ends before it starts", "let end be later than start")
            return nil
        }
        return .dated(from: clock.date(atSeconds: from), to: clock.date(atSeconds: to))
    }

    private mutating func localSeconds(_ node: Node, _ what: String, isEnd: Bool) -> Int? {
        guard let text = string(node, what) else { return nil }
        let parts = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        if let day = CivilDate(parsing: parts[0]) {
            if parts.count == 1 { return (day.daysSince1970 + (isEnd ? 1 : 0)) * 86_400 }
            if let minute = Self.minuteOfDay(parts[1]) { return day.daysSince1970 * 86_400 + minute * 60 }
        }
        report(node, "'\(text)' is no date", "write 2026-12-20 or 2026-12-20T18:00, in the freeze's time zone")
        return nil
    }

    /// `{ days: [mon-thu], from: "09:00", to: "16:00" }`: a window a day, into the next one where `to` is not later than `from`.
    private mutating func dailyWindows(_ node: Node, _ days: Node, _ members: [String: Node]) -> [CalendarWindow]? {
        guard let fromNode = required(members["from"], "from", in: node, "add 'from: \"09:00\"'"),
            let toNode = required(members["to"], "to", in: node, "add 'to: \"16:00\"'"), let from = timeOfDay(fromNode, "from"),
            let to = timeOfDay(toNode, "to")
        else { return nil }
        guard from != to, from < 1_440 else {
            report(toNode, "the window has no length", "for whole days write from \"00:00\" to \"24:00\"")
            return nil
        }
        var result: [CalendarWindow] = []
        for item in list(days, "days") {
            guard let range = weekdays(item) else { continue }
            for day in range {
                let end = (to > from ? day : day + 1) * 1_440 + to
                result.append(.weekly(from: day * 1_440 + from, to: end % LocalClock.minutesOfWeek))
            }
        }
        return result.isEmpty ? nil : result
    }

    /// `{ from: fri 16:00, to: mon 08:00 }`
    private mutating func weeklyWindow(_ node: Node, _ members: [String: Node]) -> CalendarWindow? {
        guard let fromNode = required(members["from"], "from", in: node, "add 'from: fri 16:00'"),
            let toNode = required(members["to"], "to", in: node, "add 'to: mon 08:00'"), let from = minuteOfWeek(fromNode, "from"),
            let to = minuteOfWeek(toNode, "to")
        else { return nil }
        guard from != to else {
            report(toNode, "the window has no length", "let from and to differ")
            return nil
        }
        return .weekly(from: from, to: to)
    }

    private mutating func minuteOfWeek(_ node: Node, _ what: String) -> Int? {
        guard let text = string(node, what) else { return nil }
        let parts = text.split(separator: " ")
        if parts.count == 2, let day = Self.weekday(parts[0]), let minute = Self.minuteOfDay(parts[1]) {
            return (day * 1_440 + minute) % LocalClock.minutesOfWeek
        }
        report(node, "'\(text)' is no time of the week", "write a day and a time, for example 'fri 16:00', or name the days with 'days:'")
        return nil
    }

    private mutating func timeOfDay(_ node: Node, _ what: String) -> Int? {
        guard let text = string(node, what) else { return nil }
        if let minute = Self.minuteOfDay(text) { return minute }
        report(node, "'\(text)' is no time of day", "write it in quotes, from \"00:00\" to \"24:00\"")
        return nil
    }

    /// `fri`, `mon-thu`, `sat-sun`, also over the end of the week.
    private mutating func weekdays(_ node: Node) -> [Int]? {
        guard let text = string(node, "days") else { return nil }
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let days = parts.compactMap(Self.weekday)
        guard days.count == parts.count, (1...2).contains(days.count) else {
            report(node, "'\(text)' is no day", "write mon, tue, wed, thu, fri, sat, sun, or two of them with '-' between")
            return nil
        }
        let length = days.count == 1 ? 0 : (days[1] - days[0] + 7) % 7
        return (0...length).map { (days[0] + $0) % 7 }
    }

    private static func weekday(_ text: Substring) -> Int? { ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].firstIndex(of: text.lowercased()) }

    private static func minuteOfDay(_ text: some StringProtocol) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count == 5, bytes[2] == UInt8(ascii: ":"), let hour = CivilDate.number(bytes[0..<2]), let minute = CivilDate.number(bytes[3..<5]),
            minute < 60, hour * 60 + minute <= 1_440
        else { return nil }
        return hour * 60 + minute
    }
}
