/// A moment in UTC, in microseconds since 1970: the resolution both databases keep.
public struct Timestamp: Sendable, Hashable, Comparable {
    public let microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }
    public init(seconds: Int64) { microseconds = seconds * 1_000_000 }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }
    public static func - (left: Timestamp, right: Timestamp) -> Duration { .microseconds(left.microseconds - right.microseconds) }
    public static func - (left: Timestamp, right: Duration) -> Timestamp { left + (.zero - right) }
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

    /// Reads RFC 3339 as engines and databases write it: `T` or a space, any fraction, `Z` or an offset (none means UTC). A day or an
    /// hour that does not exist is refused.
    public init?(rfc3339 text: String) {
        let halves = text.split(omittingEmptySubsequences: false, whereSeparator: { $0 == "T" || $0 == " " || $0 == "t" })
        guard halves.count == 2, let date = Self.numbers(halves[0], "-", digits: [4, 2, 2]) else { return nil }
        let days = Self.days(year: date[0], month: date[1], day: date[2])
        guard Self.civil(fromDays: days) == (date[0], date[1], date[2]) else { return nil }
        var clock = String(halves[1])
        guard let offset = Self.takeOffset(from: &clock), let (seconds, fraction) = Self.timeOfDay(clock) else { return nil }
        self.init(microseconds: (days * 86_400 + seconds - offset) * 1_000_000 + fraction)
    }

    private static func timeOfDay(_ text: String) -> (seconds: Int64, microseconds: Int64)? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let clock = numbers(parts[0], ":", digits: [2, 2, 2]), clock[0] < 24, clock[1] < 60, clock[2] <= 60 else { return nil }
        let seconds = clock[0] * 3600 + clock[1] * 60 + clock[2]
        guard parts.count == 2 else { return (seconds, 0) }
        guard !parts[1].isEmpty, parts[1].utf8.allSatisfy(isDigit) else { return nil }
        return Int64((parts[1] + "000000").prefix(6)).map { (seconds, $0) }
    }

    /// The parts of `text` as numbers, each of exactly so many digits.
    private static func numbers(_ text: some StringProtocol, _ separator: Character, digits: [Int]) -> [Int64]? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == digits, parts.allSatisfy({ $0.utf8.allSatisfy(isDigit) }) else { return nil }
        return parts.compactMap { Int64($0) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

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
        let zone = clock[clock.index(after: sign)...]
        guard let parts = numbers(zone, ":", digits: [2, 2]) ?? numbers(zone, ":", digits: [2]), parts[0] < 24 else { return nil }
        let seconds = parts[0] * 3600 + (parts.count > 1 ? parts[1] * 60 : 0)
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
