/// A moment in UTC, in microseconds since 1970: the resolution both databases keep.
public struct Timestamp: Sendable, Hashable, Comparable {
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }
    public init(seconds: Int64) { microseconds = seconds * 1_000_000 }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }
    public static func - (left: Timestamp, right: Timestamp) -> Duration { .microseconds(left.microseconds - right.microseconds) }
    public static func + (left: Timestamp, right: Duration) -> Timestamp { Timestamp(microseconds: left.microseconds + right.microseconds) }

    /// Whole milliseconds since 1970.
    public var milliseconds: Int64 { microseconds / 1000 }

    /// RFC 3339 with microseconds, for example `2026-11-20T08:01:02.000003Z`.
    public var rfc3339: String {
        let seconds = microseconds.floorDivided(by: 1_000_000)
        let days = seconds.floorDivided(by: 86_400)
        let (year, month, day) = Self.civil(fromDays: days)
        let rest = seconds - days * 86_400
        let clock = [rest / 3600, rest / 60 % 60, rest % 60].map { Self.padded($0, 2) }.joined(separator: ":")
        let fraction = Self.padded(microseconds - seconds * 1_000_000, 6)
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))T\(clock).\(fraction)Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Days since 1970-01-01 as a Gregorian date: years counted from March in 400-year eras, so that leap days fall last.
    private static func civil(fromDays days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    /// Reads RFC 3339 as engines and databases write it: `T` or a space, any fraction, `Z` or an offset.
    public init?(rfc3339 text: String) {
        let halves = text.split(whereSeparator: { $0 == "T" || $0 == " " || $0 == "t" })
        guard halves.count == 2 else { return nil }
        let date = halves[0].split(separator: "-").compactMap { Int64($0) }
        var clock = String(halves[1])
        guard date.count == 3, let offset = Self.takeOffset(from: &clock) else { return nil }
        let parts = clock.split(separator: ":")
        guard parts.count == 3, let hour = Int64(parts[0]), let minute = Int64(parts[1]) else { return nil }
        let second = parts[2].split(separator: ".", maxSplits: 1)
        guard let whole = second.first.flatMap({ Int64($0) }) else { return nil }
        let fraction = second.count > 1 ? Int64((second[1] + "000000").prefix(6)) ?? 0 : 0
        let days = Self.days(year: date[0], month: date[1], day: date[2])
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + whole - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }

    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear.floorDivided(by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Cuts the zone off `clock` and returns it in seconds.
    private static func takeOffset(from clock: inout String) -> Int64? {
        if clock.hasSuffix("Z") || clock.hasSuffix("z") {
            clock.removeLast()
            return 0
        }
        guard let sign = clock.lastIndex(where: { $0 == "+" || $0 == "-" }) else { return 0 }
        let parts = clock[clock.index(after: sign)...].split(separator: ":").compactMap { Int64($0) }
        guard let hours = parts.first else { return nil }
        let seconds = hours * 3600 + (parts.count > 1 ? parts[1] * 60 : 0)
        let negative = clock[sign] == "-"
        clock = String(clock[..<sign])
        return negative ? -seconds : seconds
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 { self >= 0 ? self / divisor : -((-self + divisor - 1) / divisor) }
}

extension Duration {
    public var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
    public var milliseconds: Int64 { microseconds / 1000 }
    public var secondsRounded: Int { Int((microseconds + 500_000) / 1_000_000) }
}
