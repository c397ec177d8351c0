import Foundation
import Testing

@testable import PolicyEngine

/// What a freeze says at a time.
struct FreezeExample: Sendable, CustomTestStringConvertible {
    let freeze: String
    let now: String
    /// `nil` where it is open.
    let until: String?
    let reason: String

    init(_ freeze: String, _ now: String, open reason: String) {
        self.freeze = freeze
        self.now = now
        until = nil
        self.reason = reason
    }

    init(_ freeze: String, _ now: String, until: String, _ reason: String) {
        self.freeze = freeze
        self.now = now
        self.until = until
        self.reason = reason
    }

    var testDescription: String { "\(freeze) at \(now)" }
}

@Suite("Freezes")
struct FreezeGateTests {
    private static let weekend = "deny: [{ name: weekend, from: fri 16:00, to: mon 08:00 }]"
    private static let nights = "deny: [{ name: nights, days: [mon-fri], from: \"20:00\", to: \"06:00\" }]"
    private static let holidays = "deny: [{ name: holidays, start: 2026-12-20, end: 2027-01-06 }]"
    private static let office = "allow: [{ name: office hours, days: [mon-thu], from: \"09:00\", to: \"16:00\" }]"

    // Berlin is one hour ahead of UTC in winter, two in summer. 2026-11-27 is a Friday.
    private static let examples = [
        FreezeExample(weekend, "2026-11-27T14:59:59Z", open: "no freeze"),
        FreezeExample(weekend, "2026-11-27T15:00:00Z", until: "2026-11-30T07:00:00Z", "frozen: weekend"),
        FreezeExample(weekend, "2026-11-29T12:00:00Z", until: "2026-11-30T07:00:00Z", "frozen: weekend"),
        FreezeExample(weekend, "2026-11-30T06:59:59Z", until: "2026-11-30T07:00:00Z", "frozen: weekend"),
        FreezeExample(weekend, "2026-11-30T07:00:00Z", open: "no freeze"),
        // The clock goes forward on 2026-03-29 and back on 2026-10-25: the wall clock counts.
        FreezeExample(weekend, "2026-03-27T15:30:00Z", until: "2026-03-30T06:00:00Z", "frozen: weekend"),
        FreezeExample(weekend, "2026-10-23T14:30:00Z", until: "2026-10-26T07:00:00Z", "frozen: weekend"),
        FreezeExample(weekend, "2026-07-03T13:59:00Z", open: "no freeze"),
        FreezeExample(weekend, "2026-07-03T14:00:00Z", until: "2026-07-06T06:00:00Z", "frozen: weekend"),
        FreezeExample(nights, "2026-11-25T18:59:00Z", open: "no freeze"),
        FreezeExample(nights, "2026-11-25T19:00:00Z", until: "2026-11-26T05:00:00Z", "frozen: nights"),
        // The night belongs to the day on which it begins: Friday's ends on Saturday, and there is none from Sunday to Monday.
        FreezeExample(nights, "2026-11-28T04:00:00Z", until: "2026-11-28T05:00:00Z", "frozen: nights"),
        FreezeExample(nights, "2026-11-30T04:00:00Z", open: "no freeze"),
        FreezeExample(holidays, "2026-12-19T22:59:59Z", open: "no freeze"),
        FreezeExample(holidays, "2026-12-19T23:00:00Z", until: "2027-01-06T23:00:00Z", "frozen: holidays"),
        FreezeExample(holidays, "2027-01-06T22:59:59Z", until: "2027-01-06T23:00:00Z", "frozen: holidays"),
        FreezeExample(holidays, "2027-01-06T23:00:00Z", open: "no freeze"),
        FreezeExample(
            "deny: [{ name: release, start: 2026-11-25T12:00, end: 2026-11-25T14:30 }]", "2026-11-25T11:00:00Z", until: "2026-11-25T13:30:00Z",
            "frozen: release"),
        FreezeExample("deny: [{ name: release, start: 2026-11-25T12:00, end: 2026-11-25T14:30 }]", "2026-11-25T13:30:00Z", open: "no freeze"),
        FreezeExample(office, "2026-11-25T08:00:00Z", open: "open: office hours"),
        FreezeExample(office, "2026-11-25T07:59:00Z", until: "2026-11-25T08:00:00Z", "outside of: office hours"),
        FreezeExample(office, "2026-11-26T15:00:00Z", until: "2026-11-30T08:00:00Z", "outside of: office hours"),
        // A closed window wins over an open one, and the next opening lies outside of the first and within the second.
        FreezeExample("\(office), \(holidays)", "2026-12-18T12:00:00Z", until: "2027-01-07T08:00:00Z", "outside of: office hours"),
        FreezeExample("\(office), \(holidays)", "2026-12-21T12:00:00Z", until: "2027-01-07T08:00:00Z", "frozen: holidays"),
        // Windows that follow each other are one wait.
        FreezeExample(
            "deny: [{ name: a, days: [wed], from: \"12:00\", to: \"24:00\" }, { name: b, days: [thu], from: \"00:00\", to: \"10:00\" }]",
            "2026-11-25T12:00:00Z",
            until: "2026-11-26T09:00:00Z", "frozen: a"),
        FreezeExample(
            "deny: [{ days: [sat-sun], from: \"00:00\", to: \"24:00\" }]", "2026-11-28T12:00:00Z", until: "2026-11-29T23:00:00Z",
            "frozen: sat-sun 00:00 to 24:00"),
        FreezeExample(
            "deny: [{ days: [sun-mon], from: \"00:00\", to: \"24:00\" }]", "2026-11-29T12:00:00Z", until: "2026-11-30T23:00:00Z",
            "frozen: sun-mon 00:00 to 24:00"),
    ]

    @Test(arguments: examples)
    func say(_ example: FreezeExample) throws {
        let gate = GateExample("freeze: { timezone: Europe/Berlin, \(example.freeze) }", "", .allow, "")
        let result = try gate.judge(at: example.now)
        #expect(result.outcome == (example.until == nil ? .allow : .wait))
        #expect(result.reason == example.reason + (example.until.map { ", until \($0)" } ?? ""))
        #expect(result.retryAt.map { Timestamp.text($0) } == example.until)
    }

    @Test func whatNeverOpensAgainDenies() throws {
        let past = "freeze: { timezone: UTC, allow: [{ name: launch, start: 2026-01-01, end: 2026-01-31 }] }"
        #expect(try GateExample(past, "", .deny, "").judge().reason == "outside of: launch; it does not open again: change the policy")
        let always = "freeze: { timezone: UTC, deny: [{ name: always, days: [mon-sun], from: \"00:00\", to: \"24:00\" }] }"
        let result = try GateExample(always, "", .deny, "").judge()
        #expect(result.outcome == .deny && result.reason.hasPrefix("frozen: always; it does not open again"))
    }

    /// At the time that a wait names the gate is open, and a second before it is not.
    @Test(arguments: 0..<60)
    func theTimeOfAWaitIsTheEarliest(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let zones = ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Pacific/Apia", "America/Sao_Paulo"]
        let zone = try #require(TimeZone(identifier: zones[seed % zones.count]))
        let clock = LocalClock(zone: zone)
        func windows(_ count: ClosedRange<Int>) -> [NamedWindow] {
            (0..<Int.random(in: count, using: &generator)).map { index in
                let from = Int.random(in: 0..<LocalClock.minutesOfWeek, using: &generator)
                let length = Int.random(in: 1...3_000, using: &generator)
                return NamedWindow(name: "w\(index)", parts: [.weekly(from: from, to: (from + length) % LocalClock.minutesOfWeek)])
            }
        }
        let hours = OpeningHours(clock: clock, closed: windows(0...3), open: windows(0...2))
        for _ in 0..<40 {
            let now = Date(timeIntervalSince1970: Double(Int.random(in: 1_700_000_000...1_900_000_000, using: &generator)))
            guard case .closed(_, let next?) = hours.state(at: now) else { continue }
            #expect(next > now)
            guard case .open = hours.state(at: next) else {
                Issue.record("closed at \(next), which was named for \(now)")
                continue
            }
            // Sampled: it does not open before.
            for _ in 0..<20 {
                let between = Date(
                    timeIntervalSince1970: Double.random(in: now.timeIntervalSince1970..<next.timeIntervalSince1970, using: &generator))
                if case .open = hours.state(at: between) { Issue.record("open at \(between), before \(next) which was named for \(now)") }
            }
        }
    }

    @Test(arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
    func theWallClockAgreesWithTheCalendar(_ name: String) throws {
        let zone = try #require(TimeZone(identifier: name))
        let clock = LocalClock(zone: zone)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        for hour in stride(from: 1_764_000_000, to: 1_800_000_000, by: 8_999) {
            let date = Date(timeIntervalSince1970: Double(hour))
            let parts = calendar.dateComponents([.weekday, .hour, .minute], from: date)
            let (weekday, hours, minutes) = (try #require(parts.weekday), try #require(parts.hour), try #require(parts.minute))
            #expect(clock.minuteOfWeek(date) == (weekday + 5) % 7 * 1_440 + hours * 60 + minutes)
        }
    }

    private static let mistakes = [
        Mistake("{ deny: [] }", at: 5, 19, "there is no 'timezone'", "add 'timezone: Europe/Berlin'"),
        Mistake("{ timezone: Mars/Olympus }", at: 5, 31, "'Mars/Olympus' is no time zone", "write its name"),
        Mistake("{ timezone: CET }", at: 5, 31, "'CET' is no time zone", "for example Europe/Berlin"),
        Mistake("{ timezone: UTC }", at: 5, 19, "freeze names no time", "add deny, allow, or both"),
        Mistake("{ timezone: UTC, deny: [{}] }", at: 5, 43, "there is no 'from'", "add 'from: fri 16:00'"),
        Mistake("{ timezone: UTC, deny: [{ from: fri 16:00 }] }", at: 5, 43, "there is no 'to'", "add 'to: mon 08:00'"),
        Mistake(
            "{ timezone: UTC, deny: [{ from: friday 16:00, to: mon 08:00 }] }", at: 5, 51, "'friday 16:00' is no time of the week",
            "for example 'fri 16:00'"),
        Mistake(
            "{ timezone: UTC, deny: [{ from: fri 25:00, to: mon 08:00 }] }", at: 5, 51, "'fri 25:00' is no time of the week", "write a day and a time"
        ),
        Mistake("{ timezone: UTC, deny: [{ from: fri 16:00, to: fri 16:00 }] }", at: 5, 66, "the window has no length", "let from and to differ"),
        Mistake("{ timezone: UTC, deny: [{ days: [fry], from: \"16:00\", to: \"17:00\" }] }", at: 5, 52, "'fry' is no day", "write mon, tue"),
        Mistake(
            "{ timezone: UTC, deny: [{ days: [fri], from: \"16:00\", to: \"16:00\" }] }", at: 5, 77, "the window has no length", "for whole days"),
        Mistake("{ timezone: UTC, deny: [{ days: [fri], from: 4pm, to: \"16:00\" }] }", at: 5, 64, "'4pm' is no time of day", "write it in quotes"),
        Mistake(
            "{ timezone: UTC, deny: [{ start: 2026-12-20 }] }", at: 5, 43, "a window on dates has a start, an end, and nothing else",
            "write '{ name: holidays"),
        Mistake(
            "{ timezone: UTC, deny: [{ start: 2026-12-20, end: 2026-12-19 }] }", at: 5, 69, "the window ends before it starts", "let end be later"),
        Mistake("{ timezone: UTC, deny: [{ start: 2026-02-30, end: 2026-12-19 }] }", at: 5, 52, "'2026-02-30' is no date", "write 2026-12-20"),
        Mistake(
            "{ timezone: UTC, deny: [{ start: 2026-12-20T9, end: 2026-12-29 }] }", at: 5, 52, "'2026-12-20T9' is no date",
            "write 2026-12-20 or 2026-12-20T18:00"),
    ]

    @Test(arguments: mistakes)
    func thatMakeNoSenseAreRefused(_ mistake: Mistake) throws {
        let first = try #require(Samples.mistakes(Samples.policy("p", "gates: [{ freeze: \(mistake.lines) }]")).first)
        #expect("\(first.line):\(first.column)" == "\(mistake.line):\(mistake.column)")
        #expect(first.problem.contains(mistake.problem) && first.remedy.contains(mistake.remedy))
    }
}
