/// An IPv4 or IPv6 address as a number, read from every spelling that a resolver or a C library would accept.
public enum IPAddress: Sendable, Hashable, CustomStringConvertible {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// Reads a host as it stands in a URL, without brackets. Besides the usual spellings this takes what `inet_aton` takes: one to four
    /// parts, each decimal, octal (`0177`) or hexadecimal (`0x7f`), the last one filling all bytes that are left.
    public init?(parsing text: String) {
        if text.contains(":") {
            guard let address = Self.sixteenBytes(text) else { return nil }
            self = address
        } else {
            guard let address = Self.inetAton(text) else { return nil }
            self = .v4(address)
        }
    }

    /// The IPv4 address inside an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`): a socket to one is a socket to the other.
    public var unmapped: IPAddress {
        guard case .v6(0, let low) = self, low >> 32 == 0xFFFF else { return self }
        return .v4(UInt32(truncatingIfNeeded: low))
    }

    /// The one spelling every program reads alike: dotted quad, or eight groups without `::`.
    public var description: String {
        switch self {
        case .v4(let value): Self.octets(value).map(String.init).joined(separator: ".")
        case .v6(let high, let low):
            (Self.groups(high) + Self.groups(low)).map { String($0, radix: 16) }.joined(separator: ":")
        }
    }

    private static func octets(_ value: UInt32) -> [UInt32] { [24, 16, 8, 0].map { value >> $0 & 0xFF } }
    private static func groups(_ value: UInt64) -> [UInt64] { [48, 32, 16, 0].map { value >> $0 & 0xFFFF } }

    private static func inetAton(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { aton(part: $0) }
        guard (1...4).contains(parts.count) else { return nil }
        var value: UInt64 = 0
        for (index, part) in parts.enumerated() {
            guard let part else { return nil }
            let bytes = index == parts.count - 1 ? 5 - parts.count : 1
            guard part < 1 << (8 * UInt64(bytes)) else { return nil }
            value = value << (8 * UInt64(bytes)) | part
        }
        return UInt32(value)
    }

    private static func aton(part: Substring) -> UInt64? {
        guard part.first?.isWholeNumber == true, part.allSatisfy({ $0.isASCII && ($0.isHexDigit || $0 == "x" || $0 == "X") }) else {
            return nil
        }
        if part.hasPrefix("0x") || part.hasPrefix("0X") { return UInt64(part.dropFirst(2), radix: 16) }
        return part.hasPrefix("0") && part.count > 1 ? UInt64(part, radix: 8) : UInt64(part)
    }

    /// Zone names (`%eth0`) are not taken: a URL has no use for them.
    private static func sixteenBytes(_ text: String) -> IPAddress? {
        guard let gap = text.firstRange(of: "::") else {
            guard let groups = groups(of: text[...]), groups.count == 8 else { return nil }
            return address(groups)
        }
        let head = text[..<gap.lowerBound]
        guard !head.contains("."), let before = groups(of: head), let after = groups(of: text[gap.upperBound...]) else { return nil }
        let missing = 8 - before.count - after.count
        return missing >= 1 ? address(before + Array(repeating: 0, count: missing) + after) : nil
    }

    private static func address(_ groups: [UInt64]) -> IPAddress {
        .v6(high: groups[..<4].reduce(0) { $0 << 16 | $1 }, low: groups[4...].reduce(0) { $0 << 16 | $1 })
    }

    private static func groups(of text: Substring) -> [UInt64]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt64] = []
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains(".") {
                guard part.split(separator: ".", omittingEmptySubsequences: false).count == 4, let embedded = inetAton(String(part)) else {
                    return nil
                }
                groups += [UInt64(embedded >> 16), UInt64(embedded & 0xFFFF)]
            } else {
                guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit), let group = UInt64(part, radix: 16) else {
                    return nil
                }
                groups.append(group)
            }
        }
        return groups
    }
}
