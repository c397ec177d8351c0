import APIModel
import Foundation
import Testing

/// Times as callers write them (RFC 3339).
@Suite struct DateTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-03-01T00:00:00Z", 1_772_323_200), ("2026-03-01T01:00:00+01:00", 1_772_323_200), ("2026-02-28t23:30:00-00:30", 1_772_323_200),
        ("2024-02-29T12:00:00Z", 1_709_208_000), ("2000-02-29T00:00:00.5Z", 951_782_400.5), ("1969-12-31T23:59:59Z", -1), ("2016-12-31T23:59:60Z", 1_483_228_800),
        ("0243-02-19T18:59:20-18:43", -54_494_504_260), ("2026-03-01T00:00:00.1234567891Z", 1_772_323_200.123456789),
    ])
    func timesAreRead(_ text: String, _ seconds: Double) { #expect(APIJSON.date(text)?.timeIntervalSince1970 == seconds) }

    @Test(arguments: [
        "", "2026-03-01", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-03-01T24:00:00Z", "2026-03-01T00:60:00Z", "2026-03-01T00:00:61Z", "2026-03-01T00:00:00.Z", "2026-03-01T00:00:00+1:00", "2026-03-01T00:00:00+24:00",
        "2026-03-01T00:00:00Z ", "+026-03-01T00:00:00Z", "2026-03-01T00:00:00ZZ", "20260301T000000Z",
    ])
    func whatIsNoTimeIsRefused(_ text: String) { #expect(APIJSON.date(text) == nil) }

    /// What we write we read: day by day from 1583 on, since when all calendars agree.
    @Test func everyDayComesBack() {
        for day in stride(from: -141_000, to: 200_000, by: 97) {
            let date = Date(timeIntervalSince1970: Double(day) * 86_400 + 3_661)
            #expect(APIJSON.date(date.formatted(Date.ISO8601FormatStyle())) == date)
        }
    }
}
