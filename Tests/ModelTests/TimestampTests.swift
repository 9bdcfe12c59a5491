import Model
import Testing

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "a moment is written as RFC 3339 in UTC with microseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"), (-1, "1969-12-31T23:59:59.999999Z"), (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_399_000_001, "2100-02-28T23:59:59.000001Z"), (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (1_795_161_662_000_003, "2026-11-20T08:01:02.000003Z"),
        ] as [(Int64, String)])
    func writes(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(
        "what engines and databases write is read",
        arguments: [
            "2026-11-20T08:01:02.000003999Z", "2026-11-20 08:01:02.000003+00", "2026-11-20T10:01:02.000003+02:00",
            "2026-11-20T02:31:02.000003-05:30", "2026-11-20t08:01:02.000003z",
        ])
    func reads(text: String) {
        #expect(Timestamp(rfc3339: text)?.microseconds == 1_795_161_662_000_003)
    }

    @Test("Docker's zero time is read, so that it can be told from a real one")
    func zero() {
        #expect(Timestamp(rfc3339: "0001-01-01T00:00:00Z").map { $0 < Timestamp(seconds: 0) } == true)
    }

    @Test(
        "what is no moment is refused",
        arguments: [
            "", "T", "2026-11-20", "2026-11-20T", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T08:60:00Z", "2026-11-20T08:01Z", "2026-11-20T08:01:xxZ", "2026-11-20T08:01:02.xZ", "2026-x1-20T08:01:02Z",
            "2026-11-20T08:01:02Z and more", "-2026-11-20T08:01:02Z", "99999999999999-01-01T00:00:00Z",
        ])
    func refuses(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test("moments are compared and moved by durations")
    func arithmetic() {
        let start = Timestamp(seconds: 10)
        #expect(start + .milliseconds(1500) == Timestamp(microseconds: 11_500_000))
        #expect((start + .seconds(1)) - start == .seconds(1))
        #expect(start < start + .microseconds(1))
    }
}
