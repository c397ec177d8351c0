import Foundation
import Testing

@testable import PolicyEngine

@Suite("Days, times and lengths of time")
struct TimeTests {
    @Test func everyDayOfFourHundredYearsIsCountedAndReadBack() {
        var expected = CivilDate(daysSince1970: -1)
        #expect(expected.description == "1969-12-31")
        for days in 0..<146_097 {
            let day = CivilDate(daysSince1970: days)
            #expect(day > expected && day.daysSince1970 == days && CivilDate(parsing: day.description) == day)
            expected = day
        }
        #expect(expected.description == "2369-12-31")
    }

    @Test(arguments: [
        ("0001-01-01", -719_162), ("1900-02-28", -25_509), ("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-25", 20_782),
        ("9999-12-31", 2_932_896),
    ])
    func daysAreCountedFrom1970(_ text: String, _ days: Int) throws {
        #expect(try #require(CivilDate(parsing: text)).daysSince1970 == days)
        #expect(CivilDate(daysSince1970: days).description == text)
    }

    @Test(arguments: [
        "", "2026-11", "2026-13-01", "2026-00-01", "2026-02-29", "1900-02-29", "2026-04-31", "2026-11-00", "26-11-25", "2026/11/25", "2026-11-2x",
        "0000-01-01", "2026-11-25 ",
    ])
    func thatAreNoDaysAreRefused(_ text: String) { #expect(CivilDate(parsing: text) == nil) }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-11-25T13:10:42Z", 1_795_612_242), ("2026-11-25t13:10:42z", 1_795_612_242),
        ("2026-11-25T14:10:42+01:00", 1_795_612_242),
        ("2026-11-25T07:40:42-05:30", 1_795_612_242), ("2026-11-25T13:10:42.5Z", 1_795_612_242.5),
        ("2026-11-25T13:10:42.123456789012345Z", 1_795_612_242.123_456_789),
        ("1969-12-31T23:59:59Z", -1), ("0001-01-01T00:00:00Z", -62_135_596_800),
    ])
    func timesAreRead(_ text: String, _ seconds: Double) throws {
        #expect(abs(try #require(Timestamp.date(text)).timeIntervalSince1970 - seconds) < 1e-6)
    }

    @Test(arguments: [
        "", "2026-11-25", "2026-11-25T13:10:42", "2026-11-25 13:10:42Z", "2026-11-25T24:00:00Z", "2026-11-25T13:60:00Z", "2026-11-25T13:10:61Z",
        "2026-11-25T13:10:42.Z",
        "2026-11-25T13:10:42+0100", "2026-11-25T13:10:42+24:00", "2026-11-25T13:10:42Zx", "2026-02-30T13:10:42Z", "yesterday", "2026-11-25T13:10Z",
        "２026-11-25T13:10:42Z",
        "2026-11-25T13:10:42." + String(repeating: "1", count: 100) + "Z",
    ])
    func thatAreNoTimesAreRefused(_ text: String) { #expect(Timestamp.date(text) == nil) }

    @Test(arguments: ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-25T03:04:05Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    func timesAreWritten(_ text: String) throws { #expect(Timestamp.text(try #require(Timestamp.date(text))) == text) }

    @Test(arguments: [Double.infinity, -.infinity, 1e300, -1e300])
    func impossibleTimesAreWrittenAsTheNearest(_ seconds: Double) {
        #expect(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"].contains(Timestamp.text(Date(timeIntervalSince1970: seconds))))
    }

    @Test(arguments: [("1s", 1), ("90m", 5_400), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("3650d", 315_360_000)])
    func lengthsAreRead(_ text: String, _ seconds: Int) throws {
        let duration = try #require(PolicyDuration(parsing: text))
        #expect(duration.seconds == seconds && duration.description == text)
    }

    @Test(arguments: ["", "h", "0h", "-1h", "1.5h", "1 h", "1y", "24", "3651d", "99999999999999999999h", "1h30m", "٣h", "+1h", "1H"])
    func thatAreNoLengthsAreRefused(_ text: String) { #expect(PolicyDuration(parsing: text) == nil) }

    @Test(arguments: [
        (0.0, "0s"), (-5, "0s"), (59.9, "59s"), (60, "1m"), (5_400, "1h 30m"), (86_400, "1d"), (90_061, "1d 1h"), (86_460, "1d"),
        (1e300, "1157407d 9h"),
    ])
    func lengthsAreWrittenForPeople(_ seconds: Double, _ text: String) { #expect(PolicyDuration.text(seconds) == text) }

    @Test(arguments: [
        ("1B", 1), ("10KB", 10_000), ("10KiB", 10_240), ("500MiB", 524_288_000), ("2GB", 2_000_000_000), ("1GiB", 1 << 30),
        ("1TB", 1_000_000_000_000), ("1TiB", 1 << 40),
    ])
    func sizesAreRead(_ text: String, _ bytes: Int64) throws { #expect(try #require(ByteSize(parsing: text)).bytes == bytes) }

    @Test(arguments: ["", "1", "MB", "0MB", "-1MB", "1.5GiB", "1 MB", "1mb", "1M", "999999999999TiB", "9999999999999B"])
    func thatAreNoSizesAreRefused(_ text: String) { #expect(ByteSize(parsing: text) == nil) }

    @Test(arguments: [(0, "0 B"), (1_023, "1023 B"), (1_024, "1 KiB"), (1_536, "1.5 KiB"), (1 << 30, "1 GiB"), (1 << 50, "1024 TiB")])
    func sizesAreWrittenForPeople(_ bytes: Int64, _ text: String) { #expect(ByteSize(bytes: bytes).description == text) }
}
